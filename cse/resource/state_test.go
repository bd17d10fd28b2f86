package resource

import (
	"encoding/json"
	"maps"
	"testing"

	"github.com/viot-project/viot/cse/primitive"
)

const accepted = primitive.OK

// attributesOf reads a JSON object of attributes.
func attributesOf(t *testing.T, content string) Attributes {
	t.Helper()
	var a Attributes
	if err := json.Unmarshal([]byte(content), &a); err != nil {
		t.Fatalf("%s: %v", content, err)
	}
	return a
}

func statusOf(err error) primitive.Status {
	if err == nil {
		return accepted
	}
	return primitive.AsError(err).Status
}

func TestCreates(t *testing.T) {
	t.Parallel()
	const bad = primitive.BadRequest
	for _, test := range []struct {
		t       Type
		content string
		want    primitive.Status
	}{
		{TypeGroup, `{"m2m:grp":{"mnm":2,"mid":["a","b"],"mt":3}}`, accepted},
		{TypeGroup, `{"m2m:grp":{"mnm":1,"mid":["a","b"]}}`, primitive.MaxNumberOfMemberExceeded},
		{TypeGroup, `{"m2m:grp":{"mnm":0,"mid":[]}}`, bad},
		{TypeGroup, `{"m2m:grp":{"mnm":1,"mid":[],"csy":4}}`, bad},
		{TypeGroup, `{"m2m:grp":{"mnm":1,"mid":[],"cr":"me"}}`, bad},
		{TypeGroup, `{"m2m:grp":{"mnm":1,"mid":[],"cr":null}}`, accepted},
		{TypeGroup, `{"m2m:grp":{"mid":[]}}`, bad},
		{TypeTimeSeries, `{"m2m:ts":{}}`, accepted},
		{TypeTimeSeries, `{"m2m:ts":{"pei":1000,"peid":500,"mdd":true,"mdt":501}}`, accepted},
		{TypeTimeSeries, `{"m2m:ts":{"pei":1000,"peid":501}}`, bad},
		{TypeTimeSeries, `{"m2m:ts":{"mdd":true}}`, bad},
		{TypeTimeSeries, `{"m2m:ts":{"mdd":true,"peid":100,"mdt":100}}`, bad},
		{TypeTimeSeries, `{"m2m:ts":{"cnf":"wrong"}}`, bad},
		{TypeTimeSeriesInstance, `{"m2m:tsi":{"dgt":"20260501T120000","con":"x","snr":1}}`, accepted},
		{TypeTimeSeriesInstance, `{"m2m:tsi":{"con":"x"}}`, bad},
		{TypeSubscription, `{"m2m:sub":{"nu":["http://a"]}}`, accepted},
		{TypeSubscription, `{"m2m:sub":{"nu":[]}}`, bad},
		{TypeSubscription, `{"m2m:sub":{"nu":["a"],"enc":{"net":[3]},"nct":2}}`, bad},
		{TypeSubscription, `{"m2m:sub":{"nu":["a"],"enc":{"net":[1,2,3,4]},"nct":3}}`, accepted},
		{TypeSubscription, `{"m2m:sub":{"nu":["a"],"enc":{"net":[1,7]}}}`, bad},
		{TypeSubscription, `{"m2m:sub":{"nu":["a"],"enc":{"net":[5]}}}`, accepted},
		{TypeSubscription, `{"m2m:sub":{"nu":["a"],"enc":{"net":[1],"chty":[3]}}}`, bad},
		{TypeSubscription, `{"m2m:sub":{"nu":["a"],"enc":{"net":[4],"chty":[3]}}}`, accepted},
		{TypeSubscription, `{"m2m:sub":{"nu":["a"],"enc":{"net":[8]}}}`, bad},
		{TypeSubscription, `{"m2m:sub":{"nu":["a"],"enc":{"net":[8],"md":{"num":2,"dur":"PT1S"}},"nct":5}}`, accepted},
		{TypeSubscription, `{"m2m:sub":{"nu":["a"],"enc":{"net":[1],"om":[{"ops":2}]}}}`, bad},
		{TypeSubscription, `{"m2m:sub":{"nu":["a"],"enc":{"net":[7],"atr":["lbl"]},"nct":2}}`, accepted},
		{TypeSubscription, `{"m2m:sub":{"nu":["a"],"enc":{"net":[7]},"nct":1}}`, bad},
		{TypeSubscription, `{"m2m:sub":{"nu":["a","b"],"enc":{"net":[7]}}}`, bad},
		{TypeSubscription, `{"m2m:sub":{"nu":["a"],"enc":{"net":[7]},"bn":{"num":1}}}`, bad},
		{TypeSubscription, `{"m2m:sub":{"nu":["a"],"enc":{"net":[7],"sza":1}}}`, bad},
		{TypeMgmtObj, `{"m2m:bat":{"mgd":1006,"btl":23,"bts":5}}`, accepted},
		{TypeMgmtObj, `{"m2m:bat":{"mgd":1006,"btl":23,"bts":99}}`, bad},
		{TypeMgmtObj, `{"m2m:bat":{"mgd":1007,"btl":23,"bts":5}}`, bad},
		{TypeMgmtObj, `{"m2m:bat":{"btl":23,"bts":5}}`, bad},
		{TypeMgmtObj, `{"dcfg:wific":{"mgd":1028,"ssid":"a","scan":true,"wcrds":{"enct":2,"wepk":"a"}}}`, accepted},
		{TypeMgmtObj, `{"dcfg:wific":{"mgd":1028,"ssid":"a","scan":true,"wcrds":{"enct":8,"wepk":"a"}}}`, bad},
		{TypeMgmtObj, `{"dcfg:wific":{"mgd":1028,"ssid":"a","scan":true,"wcrds":{"enct":2,"unm":"a"}}}`, bad},
		{TypeMgmtObj, `{"dcfg:datc":{"mgd":1021,"cntp":"a","meil":1,"mesc":[{"sce":["* * * * * * *"]}]}}`, bad},
		{TypeMgmtObj, `{"m2m:cmdf":{"mgd":1013,"cmlk":[{"nm":"a","typ":1014,"val":"b"}]}}`, accepted},
		{TypeMgmtObj, `{"m2m:cmdf":{"mgd":1013,"cmlk":[]}}`, bad},
		{TypeFlexContainer, `{"cod:tempe":{"cnd":"org.onem2m.common.moduleclass.temperature","curT0":23.5}}`, accepted},
		{TypeFlexContainer, `{"cod:tempe":{"cnd":"wrong","curT0":23.5}}`, bad},
		{TypeFlexContainer, `{"cod:tempe":{"cnd":"org.onem2m.common.moduleclass.temperature"}}`, accepted},
		{TypeFlexContainer, `{"m2m:gis":{"cnd":"any"}}`, bad},
		{TypeFlexContainer, `{"cod:tempe":{"cnd":"org.onem2m.common.moduleclass.temperature","curT0":"warm"}}`, bad},
		{TypeFlexContainer, `{"cod:tempe":{"cnd":"org.onem2m.common.moduleclass.temperature","curT0":1,"x":1}}`, bad},
		{TypeFlexContainer, `{"cod:tempe":{"cnd":"org.onem2m.common.moduleclass.temperature","curT0":1,"mni":2}}`, bad},
		{TypeFlexContainer, `{"cod:tempe":{"cnd":"org.onem2m.common.moduleclass.temperature","curT0":1,"mni":2,"fcied":true}}`, accepted},
		{TypeFlexContainer, `{"cod:tempe":{"cnd":"org.onem2m.common.moduleclass.temperature","curT0":1,"mia":0,"fcied":true}}`, bad},
		{TypeFlexContainer, `{"cod:tempe":{"cnd":"org.onem2m.common.moduleclass.temperature","curT0":1.25,"mbs":3,"fcied":true}}`, bad},
		{TypeFlexContainer, `{"m2m:gis":{"cnd":"any","gisn":"a","giip":["x"]}}`, accepted},
		{TypeFlexContainer, `{"m2m:gis":{"cnd":"any","gisn":"a","giip":"x"}}`, bad},
		{TypeFlexContainer, `{"my:own":{"cnd":"any","what":{"ever":1}}}`, accepted},
		{TypeFlexContainer, `{"my:own":{"what":1}}`, bad},
		{TypeFlexContainer, `{"my:own":{"cnd":"any","_what":1}}`, bad},
		{TypeFlexContainer, `{"my:own":{"cnd":"any","a\"b":1}}`, bad},
		{TypeSchedule, `{"m2m:sch":{"se":{"sce":["* * * * * * *"]}}}`, accepted},
		{TypeSchedule, `{"m2m:sch":{"se":{"sce":["* * * * *"]}}}`, bad},
		{TypeLocationPolicy, `{"m2m:lcp":{"los":2,"lou":["PT5S"]}}`, accepted},
		{TypeLocationPolicy, `{"m2m:lcp":{"los":2,"lou":["5"]}}`, bad},
		{TypeLocationPolicy, `{"m2m:lcp":{"los":1}}`, bad},
		{TypeLocationPolicy, `{"m2m:lcp":{"los":1,"lot":"tel:+1","aid":"a","rlkl":true}}`, accepted},
		{TypeLocationPolicy, `{"m2m:lcp":{"los":3,"lou":["PT5S"]}}`, accepted},
		{TypeLocationPolicy, `{"m2m:lcp":{"los":3,"aid":"a"}}`, bad},
		{TypeLocationPolicy, `{"m2m:lcp":{"los":2,"lot":"x"}}`, bad},
		{TypeLocationPolicy, `{"m2m:lcp":{"los":2,"gta":{"type":"Polygon","coordinates":[[[0,0],[1,0],[1,1],[0,0]]]}}}`, accepted},
		{TypeLocationPolicy, `{"m2m:lcp":{"los":2,"gta":"{\"type\":\"Point\",\"coordinates\":[1,2]}"}}`, bad},
		{TypeSemanticDescriptor, `{"m2m:smd":{"dcrp":4,"dsp":"YQ=="}}`, accepted},
		{TypeSemanticDescriptor, `{"m2m:smd":{"dcrp":1,"dsp":"YQ=="}}`, bad},
		{TypeSemanticDescriptor, `{"m2m:smd":{"dcrp":4,"dsp":"wrong"}}`, bad},
		{TypeEventConfig, `{"m2m:evcg":{"evt":3,"evs":"20260501T120000","eve":"20260502T120000"}}`, accepted},
		{TypeEventConfig, `{"m2m:evcg":{"evt":3,"evs":"20260501T120000"}}`, bad},
		{TypeEventConfig, `{"m2m:evcg":{"evt":2}}`, bad},
		{TypeStatsCollect, `{"m2m:stcl":{"cei":"a","srs":1,"sm":1,"evi":"e"}}`, accepted},
		{TypeStatsCollect, `{"m2m:stcl":{"cei":"a","srs":1,"sm":1}}`, bad},
		{TypeDynamicAuthorizationConsultation, `{"m2m:dac":{"dae":true,"dap":["http://a"]}}`, accepted},
		{TypeDynamicAuthorizationConsultation, `{"m2m:dac":{"dae":true,"dap":[]}}`, bad},
		{TypeNotificationTargetPolicy, `{"m2m:ntp":{"acn":1,"plbl":"test"}}`, accepted},
		{TypeNotificationTargetPolicy, `{"m2m:ntp":{"acn":5}}`, bad},
		{TypePolicyDeletionRules, `{"m2m:pdr":{"dr":{"tod":["* * * * * * *"],"lr":[{"accc":["DE"]}]},"drr":1}}`, accepted},
		{TypeRequest, `{"m2m:req":{"op":1}}`, bad},
		{TypeCrossResourceSubscription, `{"m2m:crs":{"nu":["a"],"twt":1,"tws":"PT5S","rrat":["x","y"],"encs":{"enc":[{"net":[1]}]}}}`, accepted},
		{TypeCrossResourceSubscription, `{"m2m:crs":{"nu":["a"],"twt":1,"tws":"PT5S"}}`, bad},
		{TypeCrossResourceSubscription, `{"m2m:crs":{"nu":["a"],"twt":1,"tws":"PT5S","rrat":["x"]}}`, bad},
		{TypeAction, `{"m2m:actr":{"evm":1,"ecp":2,"evc":{"optr":1,"sbjt":"a","thld":1},"orc":"x","apv":{"op":1}}}`, bad},
		{TypeTimeSyncBeacon, `{"m2m:tsb":{"bcnc":1,"bcnu":["a"],"bcni":"PT5S"}}`, accepted},
		{TypeTimeSyncBeacon, `{"m2m:tsb":{"bcnc":2,"bcnu":["a"]}}`, bad},
		{TypeRemoteCSE, `{"m2m:csr":{"cb":"/id-mn/cse","csi":"/id-mn","rr":true,"cst":2,"srv":["3"]}}`, accepted},
		{TypeRemoteCSE, `{"m2m:csr":{"rr":true}}`, bad},
		{TypeContainer.Announced(), `{"m2m:cntA":{"lnk":"/id-mn/cnt1","mni":3,"lbl":["a"]}}`, accepted},
		{TypeContainer.Announced(), `{"m2m:cntA":{"mni":3}}`, bad},
		{TypeContainer.Announced(), `{"m2m:cntA":{"lnk":"x","cni":3}}`, bad},
	} {
		specialisation, a, err := Parse(test.t, json.RawMessage(test.content))
		if err == nil {
			err = CheckCreate(test.t, specialisation, a)
		}
		if got := statusOf(err); got != test.want {
			t.Errorf("%s: got %d %v, want %d", test.content, got, err, test.want)
		}
	}
}

func TestUpdates(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		t              Type
		specialisation string
		before, given  string
		ok             bool
	}{
		{TypeContainer, "", `{}`, `{}`, true},
		{TypeContainer, "", `{}`, `{"cni":1}`, false},
		{TypeContainer, "", `{"lbl":["a"]}`, `{"lbl":null}`, true},
		{TypeGroup, "", `{"mnm":1,"mid":[]}`, `{"mnm":null}`, false},
		{TypeGroup, "", `{"mnm":2,"mid":["a"]}`, `{"mid":["a","b","c"]}`, false},
		{TypeGroup, "", `{"mnm":2,"mid":["a"]}`, `{"mt":3}`, false},
		{TypeTimeSeries, "", `{"mdd":true,"mdt":100}`, `{"mdn":null}`, false},
		{TypeTimeSeries, "", `{"mdd":false,"mdt":100}`, `{"mdn":5}`, true},
		{TypeTimeSeries, "", `{"mdt":100}`, `{"mdd":true,"mdt":5}`, false},
		{TypeTimeSeries, "", `{}`, `{"mdd":true}`, false},
		{TypeTimeSeries, "", `{}`, `{"cnf":"text/plain:0"}`, false},
		{TypeSubscription, "", `{"nu":["a"]}`, `{"enc":{"net":[7]}}`, false},
		{TypeSubscription, "", `{"nu":["a"],"enc":{"net":[3]}}`, `{"nct":2}`, false},
		{TypeSubscription, "", `{"nu":["a"],"enc":{"net":[3]}}`, `{"enc":null,"nct":2}`, true},
		{TypeSubscription, "", `{"nu":["a"]}`, `{"psn":1}`, false},
		{TypeSemanticDescriptor, "", `{"dcrp":4}`, `{"soe":"SELECT"}`, true},
		{TypeSemanticDescriptor, "", `{"dcrp":4}`, `{"soe":"SELECT","dsp":"YQ=="}`, false},
		{TypeMgmtObj, "m2m:bat", `{"mgd":1006}`, `{"btl":5}`, true},
		{TypeMgmtObj, "m2m:bat", `{"mgd":1006}`, `{"mgd":1006}`, false},
		{TypeMgmtObj, "m2m:dvc", `{"mgd":1008,"ena":true}`, `{"ena":true,"dis":true}`, false},
		{TypeMgmtObj, "m2m:none", `{}`, `{}`, false},
		{TypeFlexContainer, "cod:tempe", `{"cnd":"org.onem2m.common.moduleclass.temperature"}`, `{"curT0":5}`, true},
		{TypeFlexContainer, "cod:tempe", `{"cnd":"org.onem2m.common.moduleclass.temperature"}`, `{"cnd":"x"}`, false},
		{TypeFlexContainer, "cod:tempe", `{"cnd":"org.onem2m.common.moduleclass.temperature"}`, `{"curT0":null}`, true},
		{TypeFlexContainer, "cod:tempe", `{"cnd":"org.onem2m.common.moduleclass.temperature"}`, `{"mni":5}`, false},
		{TypeRequest, "", `{}`, `{"acpi":["a"]}`, true},
		{TypeRequest, "", `{}`, `{"lbl":["a"]}`, false},
	} {
		before, given := attributesOf(t, test.before), attributesOf(t, test.given)
		err := CheckUpdate(test.t, test.specialisation, given)
		if err == nil {
			err = CheckChange(test.t, test.specialisation, before, given)
		}
		if err == nil {
			after := maps.Clone(before)
			for name, v := range given {
				if after[name] = v; string(v) == "null" {
					delete(after, name)
				}
			}
			err = CheckState(test.t, test.specialisation, after)
		}
		if (err == nil) != test.ok {
			t.Errorf("%s %s, %s: got %v, want ok %t", test.t, test.before, test.given, err, test.ok)
		}
	}
}

func TestCriteria(t *testing.T) {
	t.Parallel()
	c := attributesOf(t, `{"enc":{"net":[3,4],"chty":[3],"atr":["lbl"],"om":[{"or":"Ca"},{"org":"Cb","ops":2}],"md":{"num":2,"dur":"PT5S"}}}`).Criteria()
	if len(c.Events) != 2 || c.ChildTypes[0] != TypeContainer || c.Attributes[0] != "lbl" || c.Missing.Number != 2 || c.Missing.Duration != "PT5S" {
		t.Errorf("got %+v", c)
	}
	if c.Monitored[0].Originator != "Ca" || c.Monitored[1] != (OperationMonitor{primitive.Retrieve, "Cb"}) {
		t.Errorf("got %+v", c.Monitored)
	}
	if none := (Attributes{}).Criteria(); none.Events != nil || none.Missing != nil {
		t.Errorf("got %+v of nothing", none)
	}
}

func TestFlexContentSize(t *testing.T) {
	t.Parallel()
	a := attributesOf(t, `{"cnd":"x","lbl":["long enough"],"fcied":true,"curT0":1.5,"name":"abc","_note":"not counted"}`)
	if got := FlexContentSize(a); got != 6 {
		t.Errorf("got %d, want 6", got)
	}
}
