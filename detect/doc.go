// Package detect holds the detectors that watch one metric each: pure arithmetic, no clock, no I/O.
//
// A [Detector] is fed one sample after the other with the time of the sample, and tells what changed: a finding opened,
// became worse, or cleared. It keeps less than 4 KB whatever the length of the series, and a step allocates nothing.
//
// # Layers
//
//   - Rules: declared thresholds and growths. They hold from the first sample.
//   - Limit: a hard limit is near (over 95 %), or will be reached: within a quarter of an hour at the rate of the last minute (less when it is
//     far from full), or within two hours at the trend of the last half hour.
//   - Spike: seconds far in the tail of what this metric does, after an hour of samples.
//   - Level: minutes at another level, after three hours. When the time of day explains the metric better than its past does, that is
//     what a level is compared with. Metrics that vary by orders of magnitude within a minute are compared on a log scale.
//   - Flat: a metric that has moved in nearly every minute for half a day moves no more.
//   - Leak: the floors of ten minutes rise for six hours, to where no floor was for two days. Floors and not means, because of garbage
//     collection; two days, because of the night.
//
// The statistical layers (all but rules and limit) only record on the first day: with no yesterday to compare with, ordinary is a guess. Then
// a score over one threshold is notable, over another it is an alert. An alarm that was not confirmed is remembered: the next one must be
// larger by a third, for some days. The same one does not report again within a while unless it is larger.
//
// # Sources
//
// The tail is a peaks-over-threshold model (Siffer et al., "Anomaly Detection in Streams with Extreme Value Theory", KDD
// 2017) with the generalized Pareto distribution fitted by moments; the threshold follows a Robbins–Monro quantile
// estimate. Trends are tested with Mann and Kendall's statistic and measured with Theil and Sen's slope; Machida et al. (2013) show
// that the test alone has many false positives with memory. The [Budget] follows Gibbs and Candès ("Adaptive Conformal Inference Under Distribution
// Shift", NeurIPS 2021). The constants are those of the simulation in this package (make simulate); they are data, not options.
package detect
