
-- args: epoch, name, version known (0: it is not there), most types, document (none: it is removed). Answers its version
-- (1 if it is not there any more), 0 if it has moved on, -1 if there are too many.
local function change_type(keys, args)
  local shard = enter(keys, args)
  if not shard then
    return changed()
  end
  local key, name, document = shard.prefix .. 'types', args[2], args[5]
  local version, present = match(call('HGET', key, name) or '', '^(%d+) (.*)$')
  if present == document then
    -- Made before, by whomever: its answer may have been lost.
    return tonumber(version or 1)
  end
  if (version or '0') ~= args[3] then
    return 0
  end
  if not version and call('HLEN', key) > tonumber(args[4]) then
    return -1
  end
  local count = call('HINCRBY', key, '#', 1)
  if not document then
    call('HDEL', key, name)
    return 1
  end
  call('HSET', key, name, format('%.0f ', count) .. document)
  return count
end
