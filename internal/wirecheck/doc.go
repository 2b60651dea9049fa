// Package wirecheck holds the wires and the fakes of llm/llmtest beside the vendors' own SDKs. It has tests only, in a module of its own,
// because the SDKs take minutes and gigabytes to compile: make wirecheck.
//
//   - An SDK's client speaks to the fake, and reads in its answers and errors what we read: so the fake is faithful.
//   - What our wire sends, an SDK reads into its types and writes again without loss; for Bedrock, whose types are no JSON, the SDK writes
//     the same conversation as we do.
//   - make bench builds the same program on an SDK and on our wire, and shows size, modules and start-up.
package wirecheck
