package resource

// The members of primitives and of what their content can be other than a resource, TS-0004 clauses 6.4 and 7.5. They are known
// for their kinds; the bindings check the values.
var (
	filterCriteria = structure(
		may("crb", timestamp), may("cra", timestamp), may("ms", timestamp), may("us", timestamp), may("sts", positiveInteger),
		may("stb", positiveInteger), may("exb", timestamp), may("exa", timestamp), may("lbl", stringList), may("clbl", stringList),
		may("palb", stringList), may("lbq", text), may("ty", listOf(integer)), may("chty", listOf(integer)), may("pty", listOf(integer)),
		may("sza", nonNegativeInteger), may("szb", positiveInteger), may("cty", stringList), may("atr", listOf(nameAndValue)),
		may("catr", listOf(nameAndValue)), may("patr", listOf(nameAndValue)), may("fu", integer), may("lim", integer),
		may("smf", stringList), may("fo", integer), may("cfs", integer), may("cfq", text), may("lvl", integer), may("ofst", integer),
		may("arp", text), may("ops", integer), may("gq", geoQuery), may("aq", text))
	nameAndValue = structure(must("nm", text), must("val", content))
	geoQuery     = structure(must("gmty", integer), must("geom", text), must("gsf", integer))
	responseType = structure(must("rtv", integer), may("nu", stringList))

	metaInformation = []member{
		may("ty", integer), may("nm", text), may("ot", timestamp), may("rqet", instant), may("rset", instant), may("oet", instant),
		may("rt", responseType), may("rp", instant), may("rcn", integer), may("ec", integer), may("da", boolean), may("gid", text),
		may("fc", filterCriteria), may("drt", integer), may("tkns", stringList), may("tids", stringList), may("ltids", stringList),
		may("tqi", boolean), may("rids", stringList), may("grtm", stringList), may("gstn", integer), may("asi", boolean),
		may("aus", stringList), may("auri", boolean), may("sqi", boolean), may("omr", stringList), may("rvi", text), may("vsi", text),
		may("msu", text),
	}
	requestPrimitive = append([]member{
		must("op", integer), must("to", text), may("fr", text), must("rqi", text), may("pc", object), may("rol", stringList),
		may("atrl", stringList),
	}, metaInformation...)
	responsePrimitive = []member{
		must("rsc", integer), must("rqi", text), may("pc", object), may("to", text), may("fr", text), may("ot", timestamp),
		may("rset", instant), may("ec", integer), may("cnst", integer), may("cnot", integer), may("ati", object), may("tqf", object),
		may("asri", boolean), may("rvi", text), may("vsi", text), may("msu", text),
	}
	notification = []member{
		may("nev", structure(may("rep", object), may("net", integer), may("om", structure(may("ops", integer), may("or", text))))),
		may("vrq", boolean), may("sud", boolean), must("sur", text), may("cr", text), may("nfu", text), may("ntt", text),
		may("trr", boolean), may("tra", boolean), may("idr", structure(must("or", text), must("fc", filterCriteria))),
		may("aerp", boolean), may("aerid", boolean), may("tid1", text), may("tid2", text),
	}
	childReference = structure(must("nm", text), must("typ", integer), must("val", text), may("spid", text), may("spty", specialisationType))
)

var primitives = map[string][]member{
	"m2m:rqp": requestPrimitive,
	"m2m:rsp": responsePrimitive,
	"m2m:sgn": notification,
	"m2m:agn": {must("m2m:sgn", check{Objects, anything.valid, notification})},
	"m2m:agr": {must("m2m:rsp", check{Objects, anything.valid, responsePrimitive})},
	"m2m:rrl": {must("rrf", listOf(childReference))},
	"m2m:rce": {must("uri", text)},
	"m2m:tsn": {must("mdlt", stringList), must("mdc", integer)},
}
