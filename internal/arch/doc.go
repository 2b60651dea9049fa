// Package arch keeps the shape of the repository: its tests are the rules. They read the source, and need no list of packages
// to be kept: a new package has to find its line in the table first.
package arch
