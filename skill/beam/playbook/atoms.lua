local a = beam_get_atoms()
return {
  type = "atom_exhaustion",
  severity = "critical",
  summary = string.format("%d of %d atoms are used. Atoms are never removed; at the limit the node stops.", a.atom_count, a.atom_limit),
  observation = string.format("The atom table has %d atoms and %d MB.", a.atom_count, a.atom_mb),
  hypothesis = "Something makes atoms of data: binary_to_atom, list_to_atom or String.to_atom on what comes from outside.",
  culprit = {kind = "system", id = "atom table", facts = {atom_count = a.atom_count, atom_limit = a.atom_limit}},
}
