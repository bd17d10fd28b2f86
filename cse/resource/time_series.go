package resource

import "errors"

// timeSeries is timeSeries, TS-0001 clause 9.6.36. Its times are milliseconds.
var timeSeries = definition{
	element:   "m2m:ts",
	long:      "timeSeries",
	prefix:    "ts",
	updatable: true,
	edges:     []string{"la", "ol"},
	children:  []Type{TypeTimeSeriesInstance, TypeSubscription, TypeSemanticDescriptor, TypeAction},
	attributes: with([]Attribute{
		{"pei", "periodicInterval", Optional, Optional, OA, positiveInteger},
		{"peid", "periodicIntervalDelta", Optional, Optional, OA, nonNegativeInteger},
		{"mdd", "missingDataDetect", Optional, Optional, NA, boolean},
		{"mdn", "missingDataMaxNr", Optional, Optional, OA, positiveInteger},
		{"mdlt", "missingDataList", NotPresent, NotPresent, NA, keptStrings},
		{"mdc", "missingDataCurrentNr", NotPresent, NotPresent, NA, keptInteger},
		{"mdt", "missingDataDetectTimer", Optional, Optional, OA, positiveInteger},
		{"cnf", "contentInfo", Optional, NotPresent, OA, contentInfo},
		ontologyRef, creator, location,
	}, limits, governed, announceable),
	kept: func(r Resource, b []byte) []byte {
		b = appendInt(b, "cni", r.Count)
		return appendInt(b, "cbs", r.Bytes)
	},
	validate: validDetection,
	change:   changeDetection,
}

// validDetection checks what missing data detection needs, TS-0004 clause 7.4.38.2.1.
func validDetection(a Attributes) error {
	interval, delta, timer := a.Int("pei"), a.Int("peid"), a.Int("mdt")
	if interval != nil && delta != nil && *delta > *interval/2 {
		return errors.New("needs a periodicIntervalDelta (peid) of at most half the periodicInterval (pei)")
	}
	if !a.Bool("mdd") {
		return nil
	}
	if timer == nil {
		return errors.New("needs a missingDataDetectTimer (mdt) to detect missing data (mdd)")
	}
	if delta != nil && *timer <= *delta {
		return errors.New("needs a missingDataDetectTimer (mdt) above the periodicIntervalDelta (peid)")
	}
	return nil
}

// changeDetection refuses to change the parameters of the detection while it runs, or with it, TS-0004 clause 7.4.38.2.3.
func changeDetection(before, given Attributes) error {
	_, switched := given["mdd"]
	for _, name := range []string{"mdt", "mdn", "pei", "peid"} {
		if _, changed := given[name]; !changed {
			continue
		}
		if switched {
			return errors.New("cannot change missingDataDetect (mdd) in one update with mdt, mdn, pei or peid")
		}
		if before.Bool("mdd") {
			return errors.New("cannot change mdt, mdn, pei and peid while missing data is detected (mdd)")
		}
	}
	return nil
}
