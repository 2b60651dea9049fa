package beam

import "github.com/beamlens/beamlens-go/skill"

// All returns every skill of this package that is on by default, in the order in which they are listed.
func All(c Caller) []*skill.Skill {
	vm := VM(c)
	return append([]*skill.Skill{
		vm,
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
	}, reach(c, vm)...)
}

// reach is the skill node, if the link can be asked.
func reach(c Caller, vm *skill.Skill) []*skill.Skill {
	link, ok := c.(Linked)
	if c != nil && !ok {
		return nil
	}
	return []*skill.Skill{Node(link, vm)}
}

// Plain returns the skills that work without the probe.
func Plain(c Caller) []*skill.Skill {
	vm := VM(c)
	return append([]*skill.Skill{vm}, reach(c, vm)...)
}

// Optional returns the skills that are off by default, because they change something in the VM.
func Optional(c Caller) []*skill.Skill { return []*skill.Skill{Tracer(c)} }
