// Package redact keeps what is private from leaving: it removes secrets from texts and values, and lets a language model read what a live
// system says without being told who it is about and without obeying it.
//
// [Text], [Value] and [JSON] are pure functions for everything that is kept or shown: transcripts, events, alerts, sinks, pages. They
// remove secrets for good; [Options.Mails] and [Options.Addresses] remove e-mail and IP addresses too.
//
// [Model] wraps a Model. On the way out it removes secrets, puts pseudonyms in place of hosts, addresses and users, escapes what cannot be
// seen, and fences what comes from the system with a random nonce. On the way back it puts the real names in place of the pseudonyms,
// in prose and in the arguments of tool calls. A [Policy] says for each operator which fields may leave as text at all.
//
// # How secrets are found
//
// By name: the value of a key, a variable, a header or an argument whose name says that it is secret, in JSON, in the terms of Erlang and
// Elixir, in key=value logs, in command lines, and in pairs of a name and a value. By shape: the keys of clouds and services, JWTs, private
// keys, passwords in URLs, hashes of passwords, cards, bank accounts. By entropy: what looks like nothing but chance.
//
// # What it misses
//
// A secret without a telling name, shape or entropy: a password that is a word, in the middle of a sentence. A secret that is cut in two by
// the system itself. Names of persons, streets and phone numbers in free text. Hosts without a dot that nobody named, or of
// less than four letters. Send less when
// that matters: a Policy with NumbersOnly sends no text of the system.
package redact
