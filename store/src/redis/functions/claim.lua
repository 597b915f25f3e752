
-- One read of the streams order[first..last], at most `count` of each; makes the groups that are missing.
local function read(shard, consumer, count, order, first, last)
  local request = {'XREADGROUP', 'GROUP', 'workers', consumer, 'COUNT', count, 'STREAMS'}
  local width = last - first + 1
  for i = 0, width - 1 do
    request[8 + i] = stream(shard, order[first + i])
    request[8 + width + i] = '>'
  end
  local found = try(unpack(request))
  if found and found.err then
    for i = first, last do
      -- From 0, so that what was published before anyone served the type is not passed over.
      try('XGROUP', 'CREATE', stream(shard, order[i]), 'workers', '0', 'MKSTREAM')
      call('SADD', shard.prefix .. 'streams', order[i])
    end
    found = try(unpack(request))
  end
  -- What was committed stands, whatever a claim meets.
  return found and not found.err and found or {}
end

-- Claims up to `most` tasks of the kinds args[from..to]. Streams in which nothing was left are passed over until
-- something is added; now and then all are read, since others may add too.
local function take(shard, consumer, most, args, from, to)
  local taken, order = {}, {}
  shard.claims = shard.claims + 1
  local all, width = shard.claims % 64 == 1, to - from + 1
  for i = 0, width - 1 do
    local kind = args[from + (shard.claims + i) % width]
    if all or not shard.quiet[kind] then
      order[#order + 1] = kind
    end
  end
  local first = 1
  while most > 0 and first <= #order do
    local last = min(#order, first + most - 1)
    local share = floor(most / (last - first + 1))
    local found, full = read(shard, consumer, share, order, first, last), {}
    for i = 1, #found do
      local kind, entries = sub(found[i][1], #shard.prefix + 10), found[i][2]
      append(taken, kind, entries)
      most = most - #entries
      full[kind] = #entries == share
    end
    for i = first, last do
      local kind = order[i]
      shard.quiet[kind] = not full[kind]
      if full[kind] then
        order[#order + 1] = kind
      end
    end
    first = last + 1
  end
  return taken
end
