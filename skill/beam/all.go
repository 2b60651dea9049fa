package beam

import "github.com/beamlens/beamlens-go/skill"

// All returns every skill of this package that is on by default, in the order in which they are listed.
func All(c Caller) []*skill.Skill {
	return []*skill.Skill{
		VM(c),
		ETS(c),
		Ports(c),
		Events(c),
		Logger(c),
		Exceptions(c),
		Supervisors(c),
		Overload(c),
		GC(c),
		Allocator(c),
		System(c),
	}
}

// Plain returns the skills that work without the probe.
func Plain(c Caller) []*skill.Skill { return []*skill.Skill{VM(c)} }

// Optional returns the skills that are off by default, because they change something in the VM.
func Optional(c Caller) []*skill.Skill { return []*skill.Skill{Tracer(c)} }
