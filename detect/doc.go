// Package detect holds the detectors that watch one metric each: pure arithmetic, no clock, no I/O.
//
// A [Detector] is fed one sample after the other with the time of the sample, and tells what changed: a finding opened,
// went on, or cleared. It keeps about 3 KB whatever the length of the series, and a step allocates nothing.
//
// # Layers
//
//   - Rules: declared thresholds and growths. They hold from the first sample.
//   - Limit: a hard limit is near (over 95 %) or would be reached within two hours at the present rate.
//   - Spike: seconds far in the tail of what this metric does, after an hour of samples.
//   - Level: minutes at another level, after three hours.
//
// Spikes and levels of the first day are notable only: with no yesterday to compare with, ordinary is a guess.
//
// # Sources
//
// The tail is a peaks-over-threshold model (Siffer et al., "Anomaly Detection in Streams with Extreme Value Theory", KDD
// 2017) with the generalized Pareto distribution fitted by moments; the threshold follows a Robbins–Monro quantile
// estimate. The constants are those of a simulation over ten kinds of series; they are data in this package, not options.
package detect
