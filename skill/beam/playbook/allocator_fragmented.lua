local all = allocator_by_type().allocators
local sum = allocator_summary()
local a = allocator_problematic().allocators[1] or all[1]
if a == nil or a.unused_mb < 10 then
  return {nothing = true, reason = "no allocator wastes much any more"}
end
local holders = ""
local ok, h = pcall(allocator_holders, a.name, 3)
local first
if ok then
  first = h.holders[1]
  local list = {}
  for i, r in ipairs(h.holders) do list[i] = string.format("%s %.1f MB", r.name or r.id, r.kb / 1024) end
  holders = " Most of what is left is held by " .. table.concat(list, ", ") .. "."
end
return {
  type = "allocator_fragmentation",
  severity = "warning",
  summary = string.format("%s has %.1f MB from the system and uses %.1f MB of it (%s).", a.name, a.carriers_mb, a.blocks_mb, a.serves) .. holders,
  observation = string.format("%s: multi-block carriers %.1f MB, used to %.0f %%; unused %.1f MB of %.1f MB that all allocators do not use.", a.name, a.multi_block_carriers_mb, a.multi_block_usage_ratio * 100, a.unused_mb, sum.unused_mb),
  hypothesis = "A burst filled many carriers, and the few blocks that are left keep them.",
  culprit = {kind = "allocator", id = a.name, facts = {carriers_mb = a.carriers_mb, blocks_mb = a.blocks_mb, usage_ratio = a.usage_ratio, holder = first and (first.name or first.id)}},
}
