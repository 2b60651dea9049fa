package sandbox

import (
	"math"
	"math/bits"
	"math/rand/v2"
)

// The math library (Lua 5.4 manual, 6.7).
var mathFunctions = []function{
	{"abs", mathAbs, plain}, {"acos", floats(math.Acos), plain}, {"asin", floats(math.Asin), plain}, {"atan", mathAtan, plain},
	{"ceil", mathCeil, plain}, {"cos", floats(math.Cos), plain}, {"deg", floats(func(x float64) float64 { return x * (180 / math.Pi) }), plain},
	{"exp", floats(math.Exp), plain}, {"floor", mathFloor, plain}, {"fmod", mathFmod, plain}, {"log", mathLog, plain}, {"max", mathMax, plain},
	{"min", mathMin, plain}, {"modf", mathModf, plain}, {"rad", floats(func(x float64) float64 { return x * (math.Pi / 180) }), plain},
	{"random", mathRandom, plain}, {"randomseed", mathRandomseed, plain}, {"sin", floats(math.Sin), plain}, {"sqrt", floats(math.Sqrt), plain},
	{"tan", floats(math.Tan), plain}, {"tointeger", mathTointeger, plain}, {"type", mathType, plain}, {"ult", mathUlt, plain},
}

func arithFloats(ev event, x, y float64) float64 {
	switch ev {
	case evAdd:
		return x + y
	case evSub:
		return x - y
	case evMul:
		return x * y
	case evDiv:
		return x / y
	case evMod:
		return floatMod(x, y)
	case evPow:
		return pow(x, y)
	}
	return math.Floor(x / y)
}

func floats(fn func(float64) float64) func(args) (int, *failure) {
	return func(a args) (int, *failure) {
		x, f := a.float(0)
		if f != nil {
			return 0, f
		}
		return a.ret(vFloat(fn(x)))
	}
}

func mathAbs(a args) (int, *failure) {
	v, f := a.num(0)
	if f != nil {
		return 0, f
	}
	if v.isInt() {
		if v.int() < 0 {
			v = vInt(-v.int())
		}
		return a.ret(v)
	}
	return a.ret(vFloat(math.Abs(v.float())))
}

func mathAtan(a args) (int, *failure) {
	y, f := a.float(0)
	if f != nil {
		return 0, f
	}
	x := 1.0
	if !a.get(1).isNil() {
		if x, f = a.float(1); f != nil {
			return 0, f
		}
	}
	return a.ret(vFloat(math.Atan2(y, x)))
}

func whole(f float64) value {
	if i, ok := floatToInt(f); ok {
		return vInt(i)
	}
	return vFloat(f)
}

func mathFloor(a args) (int, *failure) {
	v, f := a.num(0)
	if f != nil {
		return 0, f
	}
	if v.isFloat() {
		v = whole(math.Floor(v.float()))
	}
	return a.ret(v)
}

func mathCeil(a args) (int, *failure) {
	v, f := a.num(0)
	if f != nil {
		return 0, f
	}
	if v.isFloat() {
		v = whole(math.Ceil(v.float()))
	}
	return a.ret(v)
}

func mathFmod(a args) (int, *failure) {
	x, f := a.num(0)
	if f != nil {
		return 0, f
	}
	y, f := a.num(1)
	if f != nil {
		return 0, f
	}
	if x.isInt() && y.isInt() {
		switch y.int() {
		case 0:
			return 0, a.fail(1, "zero")
		case -1:
			return a.ret(vInt(0))
		}
		return a.ret(vInt(x.int() % y.int()))
	}
	return a.ret(vFloat(cMod(x.asFloat(), y.asFloat())))
}

func mathLog(a args) (int, *failure) {
	x, f := a.float(0)
	if f != nil {
		return 0, f
	}
	if a.get(1).isNil() {
		return a.ret(vFloat(math.Log(x)))
	}
	base, f := a.float(1)
	if f != nil {
		return 0, f
	}
	switch base {
	case 2:
		return a.ret(vFloat(math.Log2(x)))
	case 10:
		return a.ret(vFloat(math.Log10(x)))
	}
	return a.ret(vFloat(math.Log(x) / math.Log(base)))
}

func extreme(a args, better func(x, y value) bool) (int, *failure) {
	best, f := a.num(0)
	if f != nil {
		return 0, f
	}
	if f := a.th.r.charge(int64(a.n)); f != nil {
		return 0, f
	}
	for i := 1; i < a.n; i++ {
		v, f := a.num(i)
		if f != nil {
			return 0, f
		}
		if better(v, best) {
			best = v
		}
	}
	return a.ret(best)
}

func mathMax(a args) (int, *failure) {
	return extreme(a, func(x, y value) bool { return numberLess(y, x) })
}

func mathMin(a args) (int, *failure) { return extreme(a, numberLess) }

func mathModf(a args) (int, *failure) {
	v, f := a.num(0)
	if f != nil {
		return 0, f
	}
	if v.isInt() {
		return a.ret2(v, vFloat(0))
	}
	x := v.float()
	n := math.Trunc(x)
	rest := 0.0
	if n != x {
		rest = x - n
	}
	return a.ret2(whole(n), vFloat(rest))
}

func mathTointeger(a args) (int, *failure) {
	v, f := a.any(0)
	if f != nil {
		return 0, f
	}
	if v.isString() {
		if f := a.th.r.touch(len(v.str().s) * 8); f != nil {
			return 0, f
		}
	}
	if i, ok := v.toInt(); ok {
		return a.ret(vInt(i))
	}
	return a.ret(value{})
}

func mathType(a args) (int, *failure) {
	v, f := a.any(0)
	if f != nil {
		return 0, f
	}
	switch {
	case v.isInt():
		return a.ret(vStr(a.th.r.intern("integer")))
	case v.isFloat():
		return a.ret(vStr(a.th.r.intern("float")))
	}
	return a.ret(value{})
}

func mathUlt(a args) (int, *failure) {
	x, f := a.int(0)
	if f != nil {
		return 0, f
	}
	y, f := a.int(1)
	if f != nil {
		return 0, f
	}
	return a.ret(vBool(uint64(x) < uint64(y)))
}

// random is xoshiro256**, as Lua 5.4 has it, so that a seed gives the same numbers. Every run begins with the same seed: a program
// that is run again does the same, unless it calls math.randomseed().
type random struct {
	s      [4]uint64
	seeded bool
}

func (g *random) seed(a, b uint64) {
	g.s = [4]uint64{a, 0xff, b, 0}
	g.seeded = true
	for range 16 {
		g.next()
	}
}

func (g *random) next() uint64 {
	if !g.seeded {
		g.seed(0x6265616d, 0x6c656e73)
	}
	s := &g.s
	out := bits.RotateLeft64(s[1]*5, 7) * 9
	t := s[1] << 17
	s[2] ^= s[0]
	s[3] ^= s[1]
	s[1] ^= s[2]
	s[0] ^= s[3]
	s[2] ^= t
	s[3] = bits.RotateLeft64(s[3], 45)
	return out
}

// upTo gives a number from 0 to n, all equally likely: it draws as many bits as n has until they are not more than n.
func (g *random) upTo(n uint64) uint64 {
	x := g.next()
	if n&(n+1) == 0 {
		return x & n
	}
	mask := uint64(1)<<bits.Len64(n) - 1
	for x &= mask; x > n; x = g.next() & mask {
	}
	return x
}

func mathRandom(a args) (int, *failure) {
	g := &a.th.r.random
	lo, hi := int64(1), int64(0)
	var f *failure
	switch a.n {
	case 0:
		return a.ret(vFloat(float64(g.next()>>11) * 0x1p-53))
	case 1:
		if hi, f = a.int(0); f != nil {
			return 0, f
		}
		if hi == 0 {
			return a.ret(vInt(int64(g.next())))
		}
	case 2:
		if lo, f = a.int(0); f != nil {
			return 0, f
		}
		if hi, f = a.int(1); f != nil {
			return 0, f
		}
	default:
		return 0, a.th.errorf("wrong number of arguments")
	}
	if lo > hi {
		return 0, a.fail(a.n-1, "interval is empty")
	}
	return a.ret(vInt(int64(g.upTo(uint64(hi)-uint64(lo)) + uint64(lo))))
}

func mathRandomseed(a args) (int, *failure) {
	g := &a.th.r.random
	if a.n == 0 {
		g.seed(rand.Uint64(), rand.Uint64())
		return 0, nil
	}
	v, f := a.num(0)
	if f != nil {
		return 0, f
	}
	n, ok := v.toInt()
	if !ok {
		n = int64(math.Float64bits(v.float()))
	}
	m, f := a.optInt(1, 0)
	if f != nil {
		return 0, f
	}
	g.seed(uint64(n), uint64(m))
	return a.ret2(vInt(n), vInt(m))
}
