
-- Requests to patch a run, `patches:<run>`: `p:<id>` is the record of a refused one, the revision of an accepted one;
-- `o:<revision>` the record of that; `k:<last>` records packed together, one a line; `packs` the last revisions of
-- packs, in order, each of which begins where the one before ends. `bases:<run>`: documents by revision.

-- Writes the record args[p..p+2]: id, record, revision.
local function answered(shard, args, p, run, tenant)
  local key, id, record, revision = shard.prefix .. 'patches:' .. run, args[p], args[p + 1], args[p + 2]
  if revision ~= '' then
    call('HSET', key, 'p:' .. id, revision, 'o:' .. revision, record)
  else
    call('HSET', key, 'p:' .. id, record)
  end
  call('ZADD', shard.prefix .. 'patched:' .. tenant, 0, id .. ' ' .. run)
end

-- Takes the patches of a run out of its tenant's list.
local function forget(shard, run, tenant)
  local fields, ids = call('HKEYS', shard.prefix .. 'patches:' .. run), {}
  for i = 1, #fields do
    if sub(fields[i], 1, 2) == 'p:' then
      ids[#ids + 1] = sub(fields[i], 3) .. ' ' .. run
    end
  end
  spread('ZREM', shard.prefix .. 'patched:' .. tenant, ids, 1, #ids)
end

-- Appends the records of revisions first..last: packed ones by the pack, so perhaps more than these.
local function gather(into, key, first, last)
  local from = 0
  for to in gmatch(call('HGET', key, 'packs') or '', '%d+') do
    local till = tonumber(to)
    if till >= first and from < last then
      into[#into + 1] = call('HGET', key, 'k:' .. to)
    end
    from = till
  end
  local names = {}
  for revision = max(first, from + 1), last do
    names[#names + 1] = format('o:%.0f', revision)
  end
  for i = 1, #names, MOST do
    local found = call('HMGET', key, unpack(names, i, min(#names, i + MOST - 1)))
    for j = 1, #found do
      if found[j] then
        into[#into + 1] = found[j]
      end
    end
  end
  return into
end

-- args: epoch, run, revision. Answers the revision of the newest base up to it (0: none), the base, records; nothing
-- if there is no such revision.
local function chain(keys, args)
  local shard = enter(keys, args)
  if not shard then
    return changed()
  end
  local run, revision = args[2], tonumber(args[3])
  local current = tonumber(call('HGET', shard.prefix .. 'run:' .. run, 'rev') or -1)
  if current < revision then
    return {}
  end
  local bases, base = call('HKEYS', shard.prefix .. 'bases:' .. run), 0
  for i = 1, #bases do
    local at = tonumber(bases[i])
    if at > base and at <= revision then
      base = at
    end
  end
  local document = base > 0 and call('HGET', shard.prefix .. 'bases:' .. run, format('%.0f', base)) or ''
  local into = {base, document}
  if base < revision then
    gather(into, shard.prefix .. 'patches:' .. run, base + 1, revision)
  end
  return into
end

-- args: epoch, run, id, revision if there is no id. Answers records, the one asked for among them if it is there.
local function patch(keys, args)
  local shard = enter(keys, args)
  if not shard then
    return changed()
  end
  local key, revision = shard.prefix .. 'patches:' .. args[2], args[4]
  if args[3] ~= '' then
    revision = call('HGET', key, 'p:' .. args[3])
    if not revision then
      return {}
    end
    if sub(revision, 1, 1) == '{' then
      return {revision}
    end
  end
  return gather({}, key, tonumber(revision), tonumber(revision))
end

-- args: epoch, run, revision, id of the patch that made it, document. Answers 1 if the base is there from now on, 0 if
-- the run is not, -1 if another patch made the revision.
local function compact(keys, args)
  local shard = enter(keys, args)
  if not shard then
    return changed()
  end
  local run, revision = args[2], args[3]
  local key = shard.prefix .. 'patches:' .. run
  if call('EXISTS', shard.prefix .. 'run:' .. run) == 0 then
    return 0
  end
  if call('HGET', key, 'p:' .. args[4]) ~= revision then
    return -1
  end
  if call('HSETNX', shard.prefix .. 'bases:' .. run, revision, args[5]) == 0 then
    return 1
  end
  local packs = call('HGET', key, 'packs') or ''
  local from, names, lines = tonumber(match(packs, '(%d+)$') or 0) + 1, {}, {}
  for at = from, tonumber(revision) do
    names[#names + 1] = format('o:%.0f', at)
  end
  -- A base before what is packed already serves revisions after it; the pack stays whole.
  if #names > 0 then
    gather(lines, key, from, tonumber(revision))
    call('HSET', key, 'k:' .. revision, concat(lines, '\n'), 'packs', packs .. ' ' .. revision)
    spread('HDEL', key, names, 1, #names)
  end
  return 1
end

-- args: epoch, tenant, workflow, tag, moves known, digest, move, most moves. Answers 1 if it moved or had made this very
-- move already, 0 if it has moved on, -1 if it has made too many.
local function move(keys, args)
  local shard = enter(keys, args)
  if not shard then
    return changed()
  end
  local name = args[3] .. ' ' .. args[4]
  local key, known = shard.prefix .. 'timeline:' .. args[2] .. ' ' .. name, tonumber(args[5])
  local count = call('LLEN', key)
  if count == known + 1 and call('LINDEX', key, -1) == args[7] then
    return 1
  end
  if count ~= known then
    return 0
  end
  if count >= tonumber(args[8]) then
    return -1
  end
  call('RPUSH', key, args[7])
  call('HSET', shard.prefix .. 'tags:' .. args[2], name, args[6])
  return 1
end
