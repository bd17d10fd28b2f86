package resource

import (
	"errors"
	"fmt"
	"slices"
)

// mgmtObj is mgmtObj, TS-0001 clause 9.6.15. What it has in particular depends on the object, see mgmtObjs.
var mgmtObj = func() definition {
	d := mgmtBase
	d.family = func(specialisation string) *definition { return mgmtObjs[specialisation] }
	return d
}()

// mgmtBase is what all management objects are.
var mgmtBase = definition{
	long:       "mgmtObj",
	prefix:     "mgo",
	updatable:  true,
	children:   []Type{TypeSubscription, TypeSemanticDescriptor},
	attributes: mgmtAttributes,
}

// mgmtAttributes are what all management objects have.
var mgmtAttributes = with([]Attribute{
	{"mgd", "mgmtDefinition", Mandatory, NotPresent, MA, nonNegativeInteger},
	{"obis", "objectIDs", Optional, NotPresent, OA, stringList},
	{"obps", "objectPaths", Optional, NotPresent, OA, stringList},
	{"dc", "description", Optional, Optional, OA, text},
	{"mgs", "mgmtSchema", Optional, NotPresent, MA, text},
	{"cmlk", "mgmtLink", Optional, Optional, OA, listOf(mgmtLink)},
}, governed, announceable)

// specialised makes the definition of a management object: its mgmtDefinition, its names and the attributes it has beside the
// common ones, or in their place.
func specialised(number int64, element, long string, validate func(a Attributes) error, own ...Attribute) *definition {
	d := mgmtBase
	d.element, d.long = element, long
	d.attributes = withOwn(own, mgmtAttributes)
	d.validate = func(a Attributes) error {
		if n := a.Int("mgd"); n != nil && *n != number {
			return fmt.Errorf("is the object of the mgmtDefinition (mgd) %d, got %d", number, *n)
		}
		if validate != nil {
			return validate(a)
		}
		return nil
	}
	return &d
}

// mgmtObjs are the management objects of TS-0001 annex D and TS-0004 annex D, and those of TS-0022 (dcfg), by their name on the wire.
var mgmtObjs = func() map[string]*definition {
	m := map[string]*definition{}
	for _, d := range []*definition{
		firmware, software, memory, areaNwkInfo, areaNwkDeviceInfo, battery, deviceInfo, deviceCapability, reboot, eventLog,
		cmdhPolicy, activeCmdhPolicy, cmdhDefaults, cmdhDefEcValue, cmdhEcDefParamValues, cmdhLimits, cmdhNetworkAccessRules,
		cmdhNwAccessRule, cmdhBuffer, dataCollection, certificateCredential, wifiClient, credentials, simCard, mobileNetwork,
	} {
		m[d.element] = d
	}
	return m
}()

// The objects of devices, TS-0001 clauses D.2 to D.11.
var (
	firmware = specialised(1001, "m2m:fwr", "firmware", nil,
		Attribute{"vr", "version", Mandatory, Optional, OA, text},
		Attribute{"fwn", "firmwareName", Mandatory, Optional, OA, text},
		Attribute{"url", "URL", Mandatory, Optional, OA, text},
		Attribute{"ud", "update", Mandatory, Optional, OA, boolean},
		Attribute{"uds", "updateStatus", NotPresent, Optional, OA, actionStatus})
	software = commanded([][2]string{{"in", "un"}, {"act", "dea"}}, specialised(1002, "m2m:swr", "software",
		notBoth([2]string{"in", "un"}, [2]string{"act", "dea"}),
		Attribute{"vr", "version", Mandatory, Optional, OA, text},
		Attribute{"swn", "softwareName", Mandatory, Optional, OA, text},
		Attribute{"url", "URL", Mandatory, Optional, OA, text},
		Attribute{"in", "install", NotPresent, Optional, OA, boolean},
		Attribute{"un", "uninstall", NotPresent, Optional, OA, boolean},
		Attribute{"ins", "installStatus", NotPresent, Optional, OA, actionStatus},
		Attribute{"act", "activate", NotPresent, Optional, OA, boolean},
		Attribute{"dea", "deactivate", NotPresent, Optional, OA, boolean},
		Attribute{"acts", "activeStatus", NotPresent, Optional, OA, actionStatus}))
	memory = specialised(1003, "m2m:mem", "memory", nil,
		Attribute{"mma", "memAvailable", Mandatory, Optional, OA, nonNegativeInteger},
		Attribute{"mmt", "memTotal", Mandatory, Optional, OA, nonNegativeInteger})
	areaNwkInfo = specialised(1004, "m2m:ani", "areaNwkInfo", nil,
		Attribute{"ant", "areaNwkType", Mandatory, Optional, OA, text},
		Attribute{"ldv", "listOfDevices", Optional, Optional, OA, stringList})
	areaNwkDeviceInfo = specialised(1005, "m2m:andi", "areaNwkDeviceInfo", nil,
		Attribute{"dvd", "devID", Mandatory, Optional, OA, text},
		Attribute{"dvt", "devType", Mandatory, Optional, OA, text},
		Attribute{"awi", "areaNwkId", Mandatory, Optional, OA, text},
		Attribute{"sli", "sleepInterval", Optional, Optional, OA, nonNegativeInteger},
		Attribute{"sld", "sleepDuration", Optional, Optional, OA, nonNegativeInteger},
		Attribute{"ss", "devStatus", Optional, Optional, OA, text},
		Attribute{"lnh", "listOfNeighbors", Optional, Optional, OA, stringList})
	battery = specialised(1006, "m2m:bat", "battery", nil,
		Attribute{"btl", "batteryLevel", Mandatory, Optional, OA, nonNegativeInteger},
		Attribute{"bts", "batteryStatus", Mandatory, Optional, OA, enumeration(span{1, 7})})
	deviceInfo = specialised(1007, "m2m:dvi", "deviceInfo", nil,
		Attribute{"dlb", "deviceLabel", Mandatory, Optional, OA, text},
		Attribute{"man", "manufacturer", Mandatory, NotPresent, OA, text},
		Attribute{"mod", "model", Mandatory, NotPresent, OA, text},
		Attribute{"dty", "deviceType", Mandatory, Optional, OA, text},
		Attribute{"fwv", "fwVersion", Optional, Optional, OA, text},
		Attribute{"swv", "swVersion", Optional, Optional, OA, text},
		Attribute{"hwv", "hwVersion", Optional, NotPresent, OA, text},
		Attribute{"mfdl", "manufacturerDetailsLink", Optional, Optional, OA, text},
		Attribute{"mfd", "manufacturingDate", Optional, NotPresent, OA, timestamp},
		Attribute{"smod", "subModel", Optional, NotPresent, OA, text},
		Attribute{"dvnm", "deviceName", Optional, Optional, OA, text},
		Attribute{"osv", "osVersion", Optional, Optional, OA, text},
		Attribute{"cnty", "country", Optional, NotPresent, OA, text},
		Attribute{"loc", "location", Optional, Optional, OA, text},
		Attribute{"syst", "systemTime", Optional, Optional, OA, timestamp},
		Attribute{"spur", "supportURL", Optional, Optional, OA, text},
		Attribute{"purl", "presentationURL", Optional, Optional, OA, text},
		Attribute{"ptl", "protocol", Optional, Optional, OA, stringList})
	deviceCapability = commanded([][2]string{{"ena", "dis"}}, specialised(1008, "m2m:dvc", "deviceCapability", nil,
		Attribute{"can", "capabilityName", Mandatory, Optional, OA, text},
		Attribute{"att", "attached", Mandatory, Optional, OA, boolean},
		Attribute{"cas", "capabilityActionStatus", Mandatory, Optional, OA, actionStatus},
		Attribute{"cus", "currentState", Mandatory, Optional, OA, boolean},
		Attribute{"ena", "enable", Optional, Optional, OA, boolean},
		Attribute{"dis", "disable", Optional, Optional, OA, boolean}))
	reboot = commanded([][2]string{{"rbo", "far"}}, specialised(1009, "m2m:rbo", "reboot", notBoth([2]string{"rbo", "far"}),
		Attribute{"rbo", "reboot", Optional, Optional, OA, boolean},
		Attribute{"far", "factoryReset", Optional, Optional, OA, boolean}))
	eventLog = commanded([][2]string{{"lga", "lgo"}}, specialised(1010, "m2m:evl", "eventLog", nil,
		Attribute{"lgt", "logTypeId", Mandatory, Optional, OA, enumeration(span{1, 5})},
		Attribute{"lgd", "logData", Mandatory, Optional, OA, text},
		Attribute{"lgst", "logStatus", Mandatory, Optional, OA, enumeration(span{1, 5})},
		Attribute{"lga", "logStart", Optional, Optional, OA, boolean},
		Attribute{"lgo", "logStop", Optional, Optional, OA, boolean}))
)

// commanded is d with pairs of commands that contradict each other: an Update cannot give both. What a retrieve shows of them is the
// CSE's to say, so it may be both.
func commanded(pairs [][2]string, d *definition) *definition {
	refuse := notBoth(pairs...)
	d.change = func(_, given Attributes) error { return refuse(given) }
	return d
}

// notBoth refuses pairs of commands that contradict each other.
func notBoth(pairs ...[2]string) func(a Attributes) error {
	return func(a Attributes) error {
		for _, p := range pairs {
			if a.Bool(p[0]) && a.Bool(p[1]) {
				return fmt.Errorf("cannot have both %q and %q true", p[0], p[1])
			}
		}
		return nil
	}
}

// The objects of communication management and delivery handling (CMDH), TS-0001 clause D.12.
var (
	mandatoryLinks = Attribute{"cmlk", "mgmtLink", Mandatory, Optional, OA, some(listOf(mgmtLink))}
	order          = Attribute{"od", "order", Mandatory, Optional, OA, positiveInteger}
	requestOrigin  = Attribute{"ror", "requestOrigin", Mandatory, Optional, OA, stringList}
	requestContext = []Attribute{
		{"rct", "requestContext", Optional, Optional, OA, anything},
		{"rctn", "requestContextNotification", Optional, Optional, OA, boolean},
		{"rch", "requestCharacteristics", Optional, Optional, OA, anything},
	}
	// m2m:listOfEventCatWithDef: event categories, and 0 for the default.
	categories           = listOf(enumeration(span{0, 0}, span{2, 4}, span{100, 999}))
	applicableCategories = Attribute{"aec", "applicableEventCategory", Mandatory, Optional, OA, categories}
	// m2m:listOfMinMax: the least and the most milliseconds, -1 for no limit.
	minMax = listOf(integersFrom(-1))

	cmdhPolicy = specialised(1011, "m2m:cmp", "cmdhPolicy", nil,
		Attribute{"cpn", "cmdhPolicyName", Mandatory, Optional, OA, text}, mandatoryLinks)
	activeCmdhPolicy = specialised(1012, "m2m:acmp", "activeCmdhPolicy", nil,
		Attribute{"acmlk", "activeCmdhPolicyLink", Mandatory, Optional, OA, text})
	cmdhDefaults   = specialised(1013, "m2m:cmdf", "cmdhDefaults", nil, mandatoryLinks)
	cmdhDefEcValue = specialised(1014, "m2m:cmdv", "cmdhDefEcValue", nil, append([]Attribute{
		order, {"dev", "defEcValue", Mandatory, Optional, OA, eventCategory}, requestOrigin,
	}, requestContext...)...)
	cmdhEcDefParamValues = specialised(1015, "m2m:cmpv", "cmdhEcDefParamValues", nil, applicableCategories,
		Attribute{"dqet", "defaultRequestExpTime", Mandatory, Optional, OA, integer},
		Attribute{"dset", "defaultResultExpTime", Mandatory, Optional, OA, integer},
		Attribute{"doet", "defaultOpExecTime", Mandatory, Optional, OA, integer},
		Attribute{"drp", "defaultRespPersistence", Mandatory, Optional, OA, integer},
		Attribute{"dda", "defaultDelAggregation", Mandatory, Optional, OA, boolean})
	cmdhLimits = specialised(1016, "m2m:cml", "cmdhLimits", nil, append([]Attribute{
		order, requestOrigin,
		{"lec", "limitsEventCategory", Mandatory, Optional, OA, listOf(eventCategory)},
		{"lqet", "limitsRequestExpTime", Mandatory, Optional, OA, minMax},
		{"lset", "limitsResultExpTime", Mandatory, Optional, OA, minMax},
		{"loet", "limitsOpExecTime", Mandatory, Optional, OA, minMax},
		{"lrp", "limitsRespPersistence", Mandatory, Optional, OA, minMax},
		{"lda", "limitsDelAggregation", Mandatory, Optional, OA, text},
	}, requestContext...)...)
	cmdhNetworkAccessRules = specialised(1017, "m2m:cmnr", "cmdhNetworkAccessRules", nil,
		Attribute{"aecs", "applicableEventCategories", Mandatory, Optional, OA, categories})
	cmdhNwAccessRule = specialised(1018, "m2m:cmwr", "cmdhNwAccessRule", nil, mandatoryLinks,
		Attribute{"ttn", "targetNetwork", Mandatory, Optional, OA, stringList},
		Attribute{"mrv", "minReqVolume", Mandatory, Optional, OA, nonNegativeInteger},
		Attribute{"swt", "spreadingWaitTime", Mandatory, Optional, OA, nonNegativeInteger},
		Attribute{"bop", "backOffParameters", Mandatory, Optional, OA, anything},
		Attribute{"ohc", "otherConditions", Optional, Optional, OA, anything})
	cmdhBuffer = specialised(1019, "m2m:cmbf", "cmdhBuffer", nil, applicableCategories,
		Attribute{"mbfs", "maxBufferSize", Mandatory, Optional, OA, nonNegativeInteger},
		Attribute{"sgp", "storagePriority", Mandatory, Optional, OA, positiveInteger})
)

// The objects of field device configuration, TS-0022 (Release 3 and later).
var (
	dataCollection = specialised(1021, "dcfg:datc", "dataCollection", oneMeasurementPlan,
		Attribute{"cntp", "containerPath", Mandatory, Optional, OA, text},
		Attribute{"rpsc", "reportingSchedule", Optional, Optional, OA, listOf(scheduleEntries)},
		Attribute{"mesc", "measurementSchedule", Optional, Optional, OA, listOf(scheduleEntries)},
		Attribute{"meil", "measurementInterval", Optional, Optional, OA, positiveInteger})
	certificateCredential = specialised(1023, "dcfg:nycfc", "myCertFileCred", nil,
		Attribute{"suids", "SUIDs", Mandatory, Optional, OA,
			listOf(enumeration(span{10, 15}, span{21, 25}, span{32, 35}, span{40, 45}))},
		Attribute{"mcff", "myCertFileFormat", Mandatory, NotPresent, OA, text},
		Attribute{"mcfc", "myCertFileContent", Mandatory, NotPresent, OA, text})
	wifiClient = specialised(1028, "dcfg:wific", "wifiClient", validWifi,
		Attribute{"ssid", "SSID", Mandatory, Optional, OA, text},
		Attribute{"wcrds", "wifiCredentials", Optional, Optional, OA, structure(must("enct", enumeration(span{1, 8})),
			may("unm", text), may("pwd", text), may("wepk", text), may("wpap", text))},
		Attribute{"maca", "macAddress", Optional, Optional, OA, text},
		Attribute{"chanl", "channel", Optional, Optional, OA, text},
		Attribute{"cons", "connectionStatus", Optional, Optional, OA, enumeration(span{0, 6})},
		Attribute{"scan", "scan", Mandatory, Optional, OA, boolean},
		Attribute{"scanr", "scanResult", Optional, Optional, OA, stringList},
		Attribute{"ud", "update", Optional, Optional, OA, boolean},
		Attribute{"uds", "updateStatus", NotPresent, Optional, OA, actionStatus},
		Attribute{"trdst", "toRadioStatus", Optional, Optional, OA, boolean},
		Attribute{"rdst", "radioStatus", Optional, Optional, OA, boolean})
	credentials = specialised(1029, "dcfg:crds", "credentials", nil,
		Attribute{"pur", "purpose", Optional, Optional, OA, text},
		Attribute{"crid", "credentialID", Optional, Optional, OA, text},
		Attribute{"crse", "credentialSecret", Optional, Optional, OA, text},
		Attribute{"crtk", "credentialToken", Optional, Optional, OA, text})
	simCard = specialised(1030, "dcfg:sim", "SIM", nil,
		Attribute{"imsi", "IMSI", Optional, Optional, OA, text},
		Attribute{"icid", "ICCID", Mandatory, Optional, OA, text},
		Attribute{"sist", "simStatus", Optional, Optional, OA, enumeration(span{0, 1})},
		Attribute{"sity", "simType", Optional, Optional, OA, enumeration(span{0, 3})},
		Attribute{"spn", "serviceProviderName", Optional, Optional, OA, text})
	ipAddresses   = listOf(structure(may("ip4", text), may("ip6", text)))
	mobileNetwork = specialised(1031, "dcfg:mnwk", "mobileNetwork", nil,
		Attribute{"cnb", "cellularNetworkBearer", Mandatory, Optional, OA, enumeration(span{0, 7})},
		Attribute{"rss", "radioSignalStrength", Optional, Optional, OA, integer},
		Attribute{"liqu", "linkQuality", Optional, Optional, OA, integer},
		Attribute{"ipad", "ipAddresses", Optional, Optional, OA, ipAddresses},
		Attribute{"ripa", "routerIpAddresses", Optional, Optional, OA, ipAddresses},
		Attribute{"apna", "apn", Optional, Optional, OA, text},
		Attribute{"ceid", "cellID", Optional, Optional, OA, integer},
		Attribute{"smnc", "SMNC", Optional, Optional, OA, integer},
		Attribute{"smcc", "SMCC", Optional, Optional, OA, integer},
		Attribute{"lac", "LAC", Optional, Optional, OA, integer},
		Attribute{"coel", "coverageEnhancementLevel", Optional, Optional, OA, enumeration(span{0, 4})})
)

func oneMeasurementPlan(a Attributes) error {
	_, scheduled := a["mesc"]
	if _, periodic := a["meil"]; scheduled && periodic {
		return errors.New("cannot have both a measurementSchedule (mesc) and a measurementInterval (meil)")
	}
	return nil
}

// validWifi demands the credentials that the encryption uses and no others, TS-0022 clause 7.1.11.
func validWifi(a Attributes) error {
	raw, given := a["wcrds"]
	if !given {
		return nil
	}
	c, err := Resource{Attributes: raw}.Decode()
	if err != nil {
		return err
	}
	encryption := int64(0)
	if n := c.Int("enct"); n != nil {
		encryption = *n
	}
	for _, rule := range []struct {
		span    span
		members []string
	}{{span{2, 2}, []string{"wepk"}}, {span{3, 5}, []string{"wpap"}}, {span{6, 8}, []string{"unm", "pwd"}}} {
		has := slices.ContainsFunc(rule.members, func(name string) bool { return c[name] != nil })
		if applies := rule.span.first <= encryption && encryption <= rule.span.last; applies != has {
			return fmt.Errorf("has wifiCredentials (wcrds) in which %v must be there for the encryption (enct) %s and for no other",
				rule.members, rule.span)
		}
	}
	return nil
}
