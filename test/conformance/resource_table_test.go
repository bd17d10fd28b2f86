package conformance

// What several resource types have, as in the tables of TS-0004 clause 7.4: an attribute's short name, whether a create and whether
// an update must (M), may (O) or must not (NP) give it, a value that is valid and one that is not; - for none.
const (
	governed = `
		lbl   O  O  ["a","key:b"]      "a"
		acpi  O  O  ["$acp"]           ["nowhere"]
		et    O  O  "20300101T000000"  "tomorrow"
		daci  O  O  -                  "x"
	`
	announceable = `
		at  O  O  -        "x"
		aa  O  O  ["lbl"]  "lbl"
	`
	managed = `
		obis  O  NP  ["http://example.org/x"]  "x"
		obps  O  NP  ["http://example.org/x"]  "x"
		dc    O  O   "text"                    1
	`
)

// specimens are the resource types that requests can create, with the attributes they have in Release 2. In values, $ae is the AE of
// the session, $acp a policy that lets it do everything, $cnt a container,
// $event the eventID of an eventConfig, and $n is new each time.
var specimens = []specimen{
	{"7.4.2 accessControlPolicy", 1, "m2m:acp", "AE", []int{23}, `
		lbl  O  O  ["a","key:b"]                                  "a"
		et   O  O  "20300101T000000"                              "tomorrow"
		at   O  O  -                                              "x"
		aa   O  O  ["lbl"]                                        "lbl"
		pv   M  O  {"acr":[{"acor":["$ae"],"acop":63}]}           {"acr":[{"acor":["$ae"],"acop":64}]}
		pvs  M  O  {"acr":[{"acor":["$ae","CAdmin"],"acop":63}]}  {}
	`},
	{"7.4.4 remoteCSE", 16, "m2m:csr", "CSEBase", []int{1, 2, 3, 9, 10, 14, 15, 18, 23, 28, 29, 34}, governed + announceable + `
		cst  O  NP  2                                4
		poa  O  O   ["http://192.0.2.1/"]            "http://192.0.2.1/"
		cb   M  NP  "/id-conf-$n/cse"                1
		csi  O  NP  "/id-conf-$n"                    1
		mei  O  O   "external"                       1
		tri  O  O   "7"                              true
		rr   M  O   false                            "no"
		nl   O  O   "http://example.org/x"           1
		esi  O  O   {"esf":10}  1
		trn  O  O   7                                -1
	`},
	{"7.4.5 AE", 2, "m2m:ae", "CSEBase", []int{1, 3, 9, 10, 15, 18, 23, 24, 28, 29, 33, 34}, governed + announceable + `
		apn  O   O   "text"                           1
		api  M   NP  "Nx"                             "wrong"
		aei  NP  NP  "Cany"                           -
		poa  O   O   ["http://192.0.2.1/"]            "http://192.0.2.1/"
		or   O   O   "http://example.org/x"           1
		nl   O   O   "/id-mn/node"                    1
		rr   M   O   true                             "yes"
		csz  O   O   ["application/json"]             "application/json"
		esi  O   O   {"esf":10}  1
	`},
	{"7.4.6 container", 3, "m2m:cnt", "AE", []int{3, 4, 23, 24, 28, 29}, governed + announceable + `
		st    NP  NP  7                       -
		cr    O   NP  null                    "Cany"
		mni   O   O   7                       -1
		mbs   O   O   7                       -1
		mia   O   O   7                       -1
		cni   NP  NP  7                       -
		cbs   NP  NP  7                       -
		li    NP  NP  "http://example.org/x"  -
		or    O   O   "http://example.org/x"  1
		disr  O   O   false                   "x"
	`},
	{"7.4.7 contentInstance", 4, "m2m:cin", "container", []int{24}, `
		lbl   O   NP  ["a","key:b"]            "a"
		et    O   NP  "20300101T000000"        "tomorrow"
		at    O   NP  -                        "x"
		aa    O   NP  ["lbl"]                  "lbl"
		st    NP  NP  7                        -
		cr    O   NP  null                     "Cany"
		cnf   O   NP  "text/plain:0"           "text"
		cs    NP  NP  7                        -
		conr  O   NP  [{"nm":"a","uri":"/x"}]  1
		or    O   NP  "http://example.org/x"   1
		con   M   NP  "content"                null
	`},
	{"7.4.8 subscription", 23, "m2m:sub", "container", []int{18, 25}, governed + `
		cr   O  NP  null                    "Cany"
		enc  O  O   {"net":[1,3]}           {"net":[9]}
		exc  O  O   7                       0
		nu   M  O   ["$ae"]                 []
		gpi  O  O   -                       1
		nfu  O  O   "$ae"                   1
		bn   O  O   {"num":2,"dur":"PT5S"}  {"dur":5}
		rl   O  O   {"mnn":2,"tww":"PT5S"}  {"mnn":-2,"tww":"PT5S"}
		psn  O  NP  -                       0
		pn   O  O   1                       3
		nsp  O  O   7                       0
		ln   O  O   true                    "yes"
		nct  O  O   1                       6
		nec  O  O   2                       "x"
		su   O  NP  "$ae"                   1
	`},
	{"7.4.9 schedule", 18, "m2m:sch", "AE", []int{23}, `
		lbl  O  O  ["a","key:b"]                     "a"
		et   O  O  "20300101T000000"                 "tomorrow"
		at   O  O  -                                 "x"
		aa   O  O  ["lbl"]                           "lbl"
		se   M  O  {"sce":["* 0-5 2,6,10 * * * *"]}  {"sce":["*"]}
	`},
	{"7.4.10 locationPolicy", 10, "m2m:lcp", "CSEBase", []int{23}, governed + announceable + `
		los   M   NP  2                       4
		lou   O   O   ["PT5S"]                ["5"]
		lot   O   NP  -                       1
		lor   O   NP  -                       1
		loi   NP  NP  "http://example.org/x"  -
		lon   O   NP  "location-$n"           1
		lost  NP  NP  "text"                  -
	`},
	{"7.4.11 delivery", 6, "m2m:dlv", "CSEBase", []int{23}, governed + `
		st   NP  NP  7                  -
		sr   M   NP  "Cany"             1
		tg   M   NP  "Cany"             1
		ls   M   O   "20300101T000000"  "tomorrow"
		ec   M   O   2                  "x"
		dmd  M   O   {"tcop":true}      1
		arq  O   O   -                  1
	`},
	{"7.4.13 group", 9, "m2m:grp", "AE", []int{23, 24}, governed + announceable + `
		cr    O   NP  null                      "Cany"
		mt    O   NP  3                         -1
		cnm   NP  NP  7                         -
		mnm   M   O   5                         0
		mid   M   O   ["$cnt"]                  "x"
		macp  O   O   ["http://example.org/x"]  "x"
		mtv   NP  NP  true                      -
		csy   O   NP  1                         4
		gn    O   O   "text"                    1
	`},
	{"7.4.16 mgmtCmd", 12, "m2m:mgc", "CSEBase", []int{8, 23}, governed + `
		dc    O  O   "text"                1
		cmt   M  NP  1                     8
		exra  O  O   {"rset":{"any":"x"}}  1
		exe   O  O   -                     "x"
		ext   M  O   "node-1"              1
		exm   O  O   1                     5
		exf   O  O   "PT5S"                "5"
		exy   O  O   "PT5S"                "5"
		exn   O  O   7                     -1
	`},
	{"7.4.18 node", 14, "m2m:nod", "CSEBase", []int{13, 18, 23, 24, 28, 33}, governed + announceable + `
		ni   M  O  "node-$n"  1
		hcl  O  O  "/id-x"    1
	`},
	{"7.4.19 m2mServiceSubscriptionProfile", 11, "m2m:mssp", "CSEBase", []int{20, 23}, governed},
	{"7.4.20 serviceSubscribedNode", 20, "m2m:svsn", "m2mServiceSubscriptionProfile", []int{23}, governed + `
		ni   M  NP  "node-1"                  1
		csi  O  NP  "Cany"                    1
		di   O  NP  ["urn:dev:1"]             "x"
		rlk  O  O   ["http://example.org/x"]  "x"
	`},
	{"7.4.21 pollingChannel", 15, "m2m:pch", "AE", []int{}, `
		lbl  O  O  ["a","key:b"]      "a"
		et   O  O  "20300101T000000"  "tomorrow"
	`},
	{"7.4.23 statsConfig", 22, "m2m:stcg", "CSEBase", []int{7, 23}, governed + `
		cr  O  NP  null  "Cany"
	`},
	{"7.4.24 eventConfig", 7, "m2m:evcg", "statsConfig", []int{23}, governed + `
		cr   O   NP  null               "Cany"
		evi  NP  NP  "text"             -
		evt  M   O   2                  4
		evs  O   O   "20300101T000000"  "tomorrow"
		eve  O   O   "20300101T000000"  "tomorrow"
		opt  O   O   [1,2]              "x"
		ds   O   O   7                  -1
	`},
	{"7.4.25 statsCollect", 21, "m2m:stcl", "CSEBase", []int{23}, governed + `
		cr   O   NP  null                              "Cany"
		sci  NP  NP  "text"                            -
		cei  M   NP  "Cany"                            1
		cdi  O   NP  "Cany"                            1
		srs  M   O   1                                 3
		sm   M   O   1                                 2
		cp   O   O   {"sce":["* 0-5 2,6,10 * * * *"]}  {"sce":["*"]}
		evi  O   O   "$event"                          1
	`},
	{"7.4.29 serviceSubscribedAppRule", 19, "m2m:asar", "CSEBase", []int{23}, governed + `
		apci  O  O  ["any"]  "x"
		aai   O  O  ["*"]    "x"
		aae   O  O  ["*"]    "x"
	`},
	{"7.4.30 notificationTargetMgmtPolicyRef", 25, "m2m:ntpr", "subscription", []int{23}, governed + `
		ntu  M  O  ["http://example.org/x"]  "x"
		npi  O  O  "http://example.org/x"    1
	`},
	{"7.4.31 notificationTargetPolicy", 26, "m2m:ntp", "CSEBase", []int{23, 27}, governed + `
		cr    O  NP  -        "Cany"
		acn   O  NP  1        5
		plbl  O  O   "label-$n"  1
		rrs   O  O   1        3
	`},
	{"7.4.32 policyDeletionRules", 27, "m2m:pdr", "notificationTargetPolicy", []int{23}, governed + `
		dr   O  NP  {"tod":["* * * * * * *"]}  {"x":1}
		drr  O  O   1                          3
	`},
	{"7.4.34 semanticDescriptor", 24, "m2m:smd", "container", []int{23}, governed + announceable + `
		cr    O   NP  null                      "Cany"
		dcrp  M   O   4                         8
		soe   NP  O   -                         1
		dsp   M   O   "PGU6VCB4bWxuczplPSJodHRwOi8vZS8iLz4="  "%%"
		or    O   O   "http://example.org/x"    1
		rels  O   O   ["http://example.org/x"]  "x"
	`},
	{"7.4.36 dynamicAuthorizationConsultation", 34, "m2m:dac", "AE", []int{23}, governed + `
		dae  M  O  true                      "yes"
		dap  M  O  ["http://example.org/x"]  "x"
		dal  O  O  "20300101T000000"         "tomorrow"
	`},
	{"7.4.37 flexContainer", 28, "cod:tempe", "AE", []int{3, 23, 24, 28, 29}, governed + announceable + `
		st   NP  NP  7                                            -
		cr   O   NP  null                                         "Cany"
		cnd  M   NP  "org.onem2m.common.moduleclass.temperature"  "wrong"
		or   O   O   "http://example.org/x"                       1
	`},
	{"7.4.38 timeSeries", 29, "m2m:ts", "AE", []int{23, 24, 30}, governed + announceable + `
		st    NP  NP  7                       -
		cr    O   NP  null                    "Cany"
		mni   O   O   7                       -1
		mbs   O   O   7                       -1
		mia   O   O   7                       -1
		cni   NP  NP  7                       -
		cbs   NP  NP  7                       -
		pei   O   O   1000                    -1
		mdd   O   O   false                   "x"
		mdn   O   O   7                       -1
		mdlt  NP  NP  []                      -
		mdc   NP  NP  7                       -
		mdt   O   O   500                     -1
		or    O   O   "http://example.org/x"  1
	`},
	{"7.4.39 timeSeriesInstance", 30, "m2m:tsi", "timeSeries", []int{24}, `
		lbl  O  NP  ["a","key:b"]      "a"
		et   O  NP  "20300101T000000"  "tomorrow"
		at   O  NP  -                  "x"
		aa   O  NP  ["lbl"]            "lbl"
		dgt  M  NP  "20260101T000000"  "tomorrow"
		con  M  NP  "any"              null
		snr  O  NP  7                  -1
	`},
	{"7.4.40 role", 31, "m2m:rol", "CSEBase", []int{23}, governed + `
		rlid  M  NP  "role-1"                1
		tkis  M  NP  "Cany"                  1
		tkhd  M  NP  "Cany"                  1
		tknb  M  NP  "20300101T000000"       "tomorrow"
		tkna  M  NP  "20300101T000000"       "tomorrow"
		rlnm  O  NP  "text"                  1
		rltl  O  O   "http://example.org/x"  1
	`},
	{"7.4.41 token", 32, "m2m:tk", "CSEBase", []int{23}, governed + `
		tkid  M  NP  "token-1"          1
		tkob  M  NP  "a.b.c"            1
		vr    O  NP  "text"             1
		tkis  O  NP  "Cany"             1
		tkhd  O  NP  "Cany"             1
		tknb  O  NP  "20300101T000000"  "tomorrow"
		tkna  O  NP  "20300101T000000"  "tomorrow"
		tknm  O  NP  "text"             1
		tkau  O  NP  ["Cany"]           "x"
		tkps  O  NP  -                  -
		tkex  O  NP  "text"             1
	`},
	{"7.4.15 firmware", 13, "m2m:fwr", "node", []int{23, 24}, governed + announceable + managed + `
		mgd  M   NP  1001                    1
		vr   M   O   "text"                  1
		fwn  M   O   "text"                  1
		url  M   O   "http://example.org/x"  1
		ud   M   O   true                    "yes"
		uds  NP  O   {"acn":"x","sus":1}     {"sus":"x"}
	`},
	{"7.4.15 software", 13, "m2m:swr", "node", []int{23, 24}, governed + announceable + managed + `
		mgd   M   NP  1002                    1
		vr    M   O   "text"                  1
		swn   M   O   "text"                  1
		url   M   O   "http://example.org/x"  1
		in    NP  O   true                    "yes"
		un    NP  O   true                    "yes"
		ins   NP  O   {"acn":"x","sus":1}     {"sus":"x"}
		act   NP  O   true                    "yes"
		dea   NP  O   true                    "yes"
		acts  NP  O   {"acn":"x","sus":1}     {"sus":"x"}
	`},
	{"7.4.15 memory", 13, "m2m:mem", "node", []int{23, 24}, governed + announceable + managed + `
		mgd  M  NP  1003  1
		mma  M  O   7     -1
		mmt  M  O   7     -1
	`},
	{"7.4.15 areaNwkInfo", 13, "m2m:ani", "node", []int{23, 24}, governed + announceable + managed + `
		mgd  M  NP  1004                      1
		ant  M  O   "text"                    1
		ldv  O  O   ["http://example.org/x"]  "x"
	`},
	{"7.4.15 areaNwkDeviceInfo", 13, "m2m:andi", "node", []int{23, 24}, governed + announceable + managed + `
		mgd  M  NP  1005                      1
		dvd  M  O   "text"                    1
		dvt  M  O   "text"                    1
		awi  M  O   "http://example.org/x"    1
		sli  O  O   7                         -1
		sld  O  O   7                         -1
		ss   O  O   "text"                    1
		lnh  O  O   ["http://example.org/x"]  "x"
	`},
	{"7.4.15 battery", 13, "m2m:bat", "node", []int{23, 24}, governed + announceable + managed + `
		mgd  M  NP  1006  1
		btl  M  O   7     -1
		bts  M  O   1     8
	`},
	{"7.4.15 deviceInfo", 13, "m2m:dvi", "node", []int{23, 24}, governed + announceable + managed + `
		mgd  M  NP  1007    1
		dlb  M  O   "text"  1
		man  M  NP  "text"  1
		mod  M  NP  "text"  1
		dty  M  O   "text"  1
		fwv  O  O   "text"  1
		swv  O  O   "text"  1
		hwv  O  NP  "text"  1
	`},
	{"7.4.15 deviceCapability", 13, "m2m:dvc", "node", []int{23, 24}, governed + announceable + managed + `
		mgd  M  NP  1008                 1
		can  M  O   "text"               1
		att  M  O   true                 "yes"
		cas  M  O   {"acn":"x","sus":1}  {"sus":"x"}
		cus  M  O   true                 "yes"
		ena  O  O   true                 "x"
		dis  O  O   -                    "x"
	`},
	{"7.4.15 reboot", 13, "m2m:rbo", "node", []int{23, 24}, governed + announceable + managed + `
		mgd  M  NP  1009   1
		rbo  O  O   false  "x"
		far  O  O   false  "x"
	`},
	{"7.4.15 eventLog", 13, "m2m:evl", "node", []int{23, 24}, governed + announceable + managed + `
		mgd   M  NP  1010    1
		lgt   M  O   1       6
		lgd   M  O   "text"  1
		lgst  M  O   1       6
		lga   O  O   -       "x"
		lgo   O  O   -       "x"
	`},
	{"7.4.15 cmdhPolicy", 13, "m2m:cmp", "node", []int{23, 24}, governed + announceable + managed + `
		mgd   M  NP  1011                               1
		cpn   M  O   "text"                             1
		cmlk  M  O   [{"nm":"a","typ":1014,"val":"b"}]  []
	`},
	{"7.4.15 activeCmdhPolicy", 13, "m2m:acmp", "node", []int{23, 24}, governed + announceable + managed + `
		mgd    M  NP  1012    1
		acmlk  M  O   "Cany"  1
	`},
	{"7.4.15 cmdhDefaults", 13, "m2m:cmdf", "node", []int{23, 24}, governed + announceable + managed + `
		mgd   M  NP  1013                               1
		cmlk  M  O   [{"nm":"a","typ":1014,"val":"b"}]  []
	`},
	{"7.4.15 cmdhDefEcValue", 13, "m2m:cmdv", "node", []int{23, 24}, governed + announceable + managed + `
		mgd   M  NP  1014      1
		od    M  O   7         0
		dev   M  O   2         "x"
		ror   M  O   ["Cany"]  "Cany"
		rct   O  O   "any"     -
		rctn  O  O   true      "yes"
		rch   O  O   "any"     -
	`},
	{"7.4.15 cmdhEcDefParamValues", 13, "m2m:cmpv", "node", []int{23, 24}, governed + announceable + managed + `
		mgd   M  NP  1015   1
		aec   M  O   [2,3]  "x"
		dqet  M  O   7      "x"
		dset  M  O   7      "x"
		doet  M  O   7      "x"
		drp   M  O   7      "x"
		dda   M  O   true   "yes"
	`},
	{"7.4.15 cmdhLimits", 13, "m2m:cml", "node", []int{23, 24}, governed + announceable + managed + `
		mgd   M  NP  1016      1
		od    M  O   7         0
		ror   M  O   ["Cany"]  "Cany"
		rct   O  O   "any"     -
		rctn  O  O   true      "yes"
		rch   O  O   "any"     -
		lec   M  O   [2]       "x"
		lqet  M  O   [0,1000]  "x"
		lset  M  O   [0,1000]  "x"
		loet  M  O   [0,1000]  "x"
		lrp   M  O   [0,1000]  "x"
		lda   M  O   "token"   1
	`},
	{"7.4.15 cmdhNetworkAccessRules", 13, "m2m:cmnr", "node", []int{23, 24}, governed + announceable + managed + `
		mgd   M  NP  1017                               1
		aecs  M  O   [2,3]                              "x"
		cmlk  O  O   [{"nm":"a","typ":1014,"val":"b"}]  "x"
	`},
	{"7.4.15 cmdhNwAccessRule", 13, "m2m:cmwr", "node", []int{23, 24}, governed + announceable + managed + `
		mgd   M  NP  1018                               1
		ttn   M  O   ["Cany"]                           "Cany"
		mrv   M  O   7                                  -1
		swt   M  O   7                                  -1
		bop   M  O   "any"                              -
		ohc   O  O   "any"                              -
		cmlk  M  O   [{"nm":"a","typ":1014,"val":"b"}]  []
	`},
	{"7.4.15 cmdhBuffer", 13, "m2m:cmbf", "node", []int{23, 24}, governed + announceable + managed + `
		mgd   M  NP  1019   1
		aec   M  O   [2,3]  "x"
		mbfs  M  O   7      -1
		sgp   M  O   7      0
	`}}
