package client

// TimeSeries is a timeSeries, TS-0001 clause 9.6.36.
type TimeSeries struct {
	Common
	Shared
	StateTag               int64       `json:"st,omitzero" m2m:"cse"`
	Creator                string      `json:"cr,omitzero" m2m:"cse"`
	MaxNrOfInstances       *int64      `json:"mni,omitzero"`
	MaxByteSize            *int64      `json:"mbs,omitzero"`
	MaxInstanceAge         *int64      `json:"mia,omitzero"` // seconds
	CurrentNrOfInstances   int64       `json:"cni,omitzero" m2m:"cse"`
	CurrentByteSize        int64       `json:"cbs,omitzero" m2m:"cse"`
	PeriodicInterval       *int64      `json:"pei,omitzero"`  // milliseconds
	PeriodicIntervalDelta  *int64      `json:"peid,omitzero"` // milliseconds
	MissingDataDetect      *bool       `json:"mdd,omitzero"`
	MissingDataMaxNr       *int64      `json:"mdn,omitzero"`
	MissingDataList        []Timestamp `json:"mdlt,omitempty" m2m:"cse"`
	MissingDataCurrentNr   int64       `json:"mdc,omitzero" m2m:"cse"`
	MissingDataDetectTimer *int64      `json:"mdt,omitzero"` // milliseconds
	OntologyRef            string      `json:"or,omitzero"`
	ContentInfo            string      `json:"cnf,omitzero" m2m:"create"`
}

// Kind implements Resource.
func (*TimeSeries) Kind() (ResourceType, string) { return TypeTimeSeries, "m2m:ts" }

// TimeSeriesInstance is a timeSeriesInstance, TS-0001 clause 9.6.37. It cannot be updated.
type TimeSeriesInstance struct {
	Common
	AnnounceTo         []string  `json:"at,omitempty"`
	AnnouncedAttribute []string  `json:"aa,omitempty"`
	DataGenerationTime Timestamp `json:"dgt,omitzero"` // mandatory
	Content            any       `json:"con"`          // a simple value; numbers are float64 when decoded
	SequenceNr         *int64    `json:"snr,omitzero"`
	ContentSize        int64     `json:"cs,omitzero" m2m:"cse"` // bytes
}

// Kind implements Resource.
func (*TimeSeriesInstance) Kind() (ResourceType, string) { return TypeTimeSeriesInstance, "m2m:tsi" }
