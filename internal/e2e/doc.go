// Package e2e holds tests and benchmarks of the whole: what needs other programs, or modules that the library must not have.
package e2e
