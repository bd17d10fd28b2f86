package infra

import (
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/viot-project/viot/infra/sdk/go/viot"
	"github.com/viot-project/viot/infra/spec"
)

// duration is nil for 0, the default.
func duration(d spec.Duration) pulumi.StringPtrInput {
	if d == 0 {
		return nil
	}
	return pulumi.StringPtr(d.String())
}

// text is nil for the empty text, the default.
func text(s string) pulumi.StringPtrInput {
	if s == "" {
		return nil
	}
	return pulumi.StringPtr(s)
}

// whole is nil for 0, the default.
func whole(n int) pulumi.IntPtrInput {
	if n == 0 {
		return nil
	}
	return pulumi.IntPtr(n)
}

// number is nil for 0, the default.
func number(x float64) pulumi.Float64PtrInput {
	if x == 0 {
		return nil
	}
	return pulumi.Float64Ptr(x)
}

// yes is nil for false, the default.
func yes(b bool) pulumi.BoolPtrInput {
	if !b {
		return nil
	}
	return pulumi.BoolPtr(b)
}

// policyArgs are the inputs that declare a policy. What has its zero value is left to its default.
func policyArgs(p spec.Policy) viot.PoolPolicyArgs {
	args := viot.PoolPolicyArgs{
		Min: pulumi.Int(p.Min), Max: pulumi.Int(p.Max), TargetUtilisation: pulumi.Float64(p.TargetUtilisation),
		ScaleInAfter: duration(p.ScaleInAfter), ZeroAfter: duration(p.ZeroAfter), Slo: text(p.SLO.String()),
		Priority: whole(p.Priority), Algorithm: text(p.Algorithm), Shadow: text(p.Shadow),
	}
	if len(p.Signals) > 0 {
		var signals viot.PoolSignalArray
		for _, s := range p.Signals {
			signals = append(signals, viot.PoolSignalArgs{
				Name: pulumi.String(s.Name), Source: pulumi.String(s.Source), Target: pulumi.Float64(s.Target),
				Metric: text(s.Metric), Url: text(s.URL), Query: text(s.Query), Rate: yes(s.Rate), Activation: number(s.Activation),
			})
		}
		args.Signals = signals
	}
	if len(p.Schedules) > 0 {
		var schedules viot.PoolScheduleArray
		for _, s := range p.Schedules {
			schedules = append(schedules, viot.PoolScheduleArgs{
				Days: pulumi.ToStringArray(s.Days), From: pulumi.String(s.From), To: pulumi.String(s.To), Zone: text(s.Zone), Min: whole(s.Min), Max: whole(s.Max),
			})
		}
		args.Schedules = schedules
	}
	rate := func(r spec.Rate) viot.PoolRatePtrInput {
		if r == (spec.Rate{}) {
			return nil
		}
		return viot.PoolRateArgs{Disabled: yes(r.Disabled), MostAtOnce: whole(r.MostAtOnce), PerMinute: whole(r.PerMinute)}
	}
	args.ScaleOut, args.ScaleIn = rate(p.Out), rate(p.In)
	if s := p.Spare; s != (spec.Spare{}) {
		args.Spare = viot.PoolSpareArgs{Instances: whole(s.Instances), Host: yes(s.Host)}
	}
	if s := p.Standby; s != (spec.Standby{}) {
		args.Standby = viot.PoolStandbyArgs{Count: whole(s.Count), Paused: yes(s.Paused)}
	}
	if f := p.Forecast; f != (spec.Forecast{}) {
		args.Forecast = viot.PoolForecastArgs{
			Ahead: duration(f.Ahead), NoTrend: yes(f.NoTrend), NoSeasonal: yes(f.NoSeasonal), SeasonSteps: whole(f.SeasonSteps),
		}
	}
	if u := p.Update; u != (spec.Update{}) {
		args.Update = viot.PoolUpdateArgs{
			MaxSurge: whole(u.MaxSurge), MaxUnavailable: whole(u.MaxUnavailable), Canary: whole(u.Canary), CanaryFor: duration(u.CanaryFor),
			MaxErrorRatio: number(u.MaxErrorRatio), NoRollback: yes(u.NoRollback),
		}
	}
	return args
}
