//go:build !linux

package goruntime

import (
	"errors"
	"math"
)

var errLinuxOnly = errors.New("this is read from /proc, which Linux only has")

func openDescriptors() float64                 { return math.NaN() }
func processRSS() float64                      { return math.NaN() }
func descriptorKinds() (map[string]int, error) { return nil, errLinuxOnly }
func socketStates() (map[[2]string]int, error) { return nil, errLinuxOnly }

func memoryGroup() string     { return "" }
func oomKills(string) float64 { return 0 }
