//go:build !linux

package host

import "context"

func read(string) (reading, error) { return reading{}, errLinuxOnly }

func mounts(string) ([]disk, error) { return nil, errLinuxOnly }

func processes(context.Context, string) ([]processRow, error) { return nil, errLinuxOnly }
