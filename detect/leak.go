package detect

import (
	"math"
	"time"
)

// The constants of the leak layer.
const (
	floorEvery  = 10 // minutes
	floorsKept  = 36 // six hours
	floorsLate  = 12 // the last third
	floorsLast  = 3  // that must be above all of the record
	recordHours = 48 // hourly floors
	recordMin   = 12 // hours of record that are needed
	leakTrend   = 5.5
	leakLate    = 1.5
	leakSteady  = 0.3  // of the slope of all, the slope of the last third must have
	leakRise    = 0.05 // of the first floor
	leakQuarter = 0.25
	leakUnsure  = 3 // floors
)

// The score is how many standard deviations of the hourly floors the newest floors are above the record.
var leakLayer = layer{kind: KindLeak, notable: 2, alert: 4, rest: 6 * time.Hour, clear: 6}

type leak struct {
	Floors  [floorsKept]float32 // newest last
	Count   int64
	Minutes int64
	Low     float64 // of the ten minutes that are being collected
	Hours   [recordHours]float32
	HourN   int64
	HourLow float64
	Tens    int64 // of the hour that is being collected
	Channel channel
}

func (d *Detector) stepLeak(now int64, x float64, m *minute) {
	l := &d.saved.Leak
	if l.Minutes == 0 || m.Low < l.Low {
		l.Low = m.Low
	}
	if l.Minutes++; l.Minutes < floorEvery {
		return
	}
	low := l.Low
	l.Minutes = 0
	copy(l.Floors[:], l.Floors[1:])
	l.Floors[floorsKept-1] = float32(low)
	l.Count++
	score, before, began := l.score(low)
	if began.at != 0 {
		began.at += now
	}
	d.tell(&l.Channel, &leakLayer, score, now, x, before, began)
	l.hour(low)
}

// hour keeps the record of hourly floors.
func (l *leak) hour(low float64) {
	if l.Tens == 0 || low < l.HourLow {
		l.HourLow = low
	}
	if l.Tens++; l.Tens < 60/floorEvery {
		return
	}
	l.Tens = 0
	copy(l.Hours[:], l.Hours[1:])
	l.Hours[recordHours-1] = float32(l.HourLow)
	l.HourN++
}

// score says how far the newest floors are above everything before, if they got there by a steady rise, the floor before it, and how long ago they
// left what was before.
func (l *leak) score(low float64) (score, before float64, began onset) {
	if l.Count < floorsKept || l.HourN < recordMin+floorsKept*floorEvery/60 {
		return 0, low, began
	}
	var floors [floorsKept]float64
	for i, f := range l.Floors {
		floors[i] = float64(f)
	}
	before = floors[0]
	if mannKendall(floors[:]) < leakTrend {
		return 0, before, began
	}
	slope, flattest, steepest := slopes(floors[:])
	late := floors[floorsKept-floorsLate:]
	lateSlope, _, _ := slopes(late)
	rise := slope * (floorsKept - 1)
	if mannKendall(late) < leakLate || lateSlope < leakSteady*slope || rise < leakRise*math.Abs(before) || rise <= 0 {
		return 0, before, began
	}
	// The record of what was before the rise: hourly floors that are older than it.
	n := int(min(l.HourN, recordHours)) - floorsKept*floorEvery/60
	record, mean, square := math.Inf(-1), 0.0, 0.0
	for _, h := range l.Hours[recordHours-n-floorsKept*floorEvery/60 : recordHours-floorsKept*floorEvery/60] {
		record = max(record, float64(h))
		mean += float64(h) / float64(n)
		square += float64(h) * float64(h) / float64(n)
	}
	sd := math.Sqrt(max(square-mean*mean, 0)) + 1e-9 + 0.002*math.Abs(mean)
	least := min(floors[floorsKept-1], floors[floorsKept-2], floors[floorsKept-floorsLast])
	above := least - record
	if above < leakQuarter*rise {
		return 0, before, began
	}
	return above / sd, before, risen(floors[:], mean, slope, flattest, steepest)
}

// risen is how long ago the floors left what was before, where that is among them; else how long ago their line did, at a slope whose flattest
// and steepest say how sure that is. Before the sample's time: below zero.
func risen(floors []float64, mean, slope, flattest, steepest float64) onset {
	const step = int64(floorEvery * time.Minute)
	n := len(floors)
	if at, low, high := bent(floors); low > 2 {
		ago := func(i int) int64 { return -int64(n-1-i) * step }
		// Floors are the lowest of ten minutes, and follow what else goes up and down: nearer than half an hour is not believed.
		return onset{ago(at), duration(max(ago(at)-ago(low-1), ago(high+1)-ago(at), leakUnsure*step))}
	}
	longest := float64(2 * int64(n) * step)
	ago := func(slope float64) float64 {
		if slope <= 0 {
			return longest
		}
		return min(max(floors[n-1]-mean, 0)/slope*float64(step), longest)
	}
	unsure := max((ago(flattest)-ago(steepest))/2, float64(step))
	return onset{-int64(ago(slope)) - 1, time.Duration(unsure)}
}
