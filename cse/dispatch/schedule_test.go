package dispatch

import (
	"testing"

	"github.com/viot-project/viot/cse/primitive"
)

// TestSchedules: a parent has one schedule, whose name a subscription prescribes; TS-0004 clause 7.4.9.
func TestSchedules(t *testing.T) {
	t.Parallel()
	d, _ := newDispatcher(t)
	const always = `"se":{"sce":["* * * * * * *"]}`
	create(t, d, "cse-in/ae", 18, `{"m2m:sch":{"rn":"s","nco":false,`+always+`}}`, primitive.ContentsUnacceptable)
	create(t, d, "cse-in/ae", 18, `{"m2m:sch":{"rn":"s",`+always+`}}`, primitive.Created)
	create(t, d, "cse-in/ae", 18, `{"m2m:sch":{"rn":"t",`+always+`}}`, primitive.BadRequest)
	update(t, d, "cse-in/ae/s", `{"m2m:sch":{"nco":true}}`, primitive.ContentsUnacceptable)
	create(t, d, "cse-in/ae", 23, `{"m2m:sub":{"rn":"sub","nu":["Cme"]}}`, primitive.Created)
	create(t, d, "cse-in/ae/sub", 18, `{"m2m:sch":{"rn":"s",`+always+`}}`, primitive.BadRequest)
	create(t, d, "cse-in/ae/sub", 18, `{"m2m:sch":{`+always+`}}`, primitive.Created)
	retrieve(t, d, "cse-in/ae/sub/notificationSchedule", primitive.OK)
}
