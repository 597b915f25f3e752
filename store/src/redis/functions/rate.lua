
-- Debits of a tenant's tier, `rate:<tenant>:<tier>`, or of all its starts, `rate:<tenant>:all`: a sorted set of ids by the time in ms from which each counts.

-- args: epoch, tenant, tier, id, limit, window in ms, time in ms ('': the server's). Answers -1 if the id counts from
-- now on, or did already; else the ms until it would be taken. Without a limit the id no longer counts.
local function rate(keys, args)
  local shard = enter(keys, args)
  if not shard then
    return changed()
  end
  local key, id = shard.prefix .. 'rate:' .. args[2] .. ':' .. args[3], args[4]
  if args[5] == '' then
    call('ZREM', key, id)
    return -1
  end
  local limit, window = tonumber(args[5]), tonumber(args[6])
  local time = args[7] == '' and now() or tonumber(args[7])
  local present = format('%.0f', time)
  call('ZREMRANGEBYSCORE', key, '-inf', format('%.0f', time - window))
  -- A clock that was set back: what it left in the future counts from now on, and holds nobody up for longer.
  local late = call('ZRANGE', key, '(' .. present, '+inf', 'BYSCORE')
  for i = 1, #late do
    call('ZADD', key, present, late[i])
  end
  if call('ZSCORE', key, id) then
    return -1
  end
  local count = call('ZCARD', key)
  if count >= limit then
    -- If the limit was lowered several have to go.
    local first = call('ZRANGE', key, count - limit, count - limit, 'WITHSCORES')
    return tonumber(first[2]) + window - time
  end
  call('ZADD', key, present, id)
  call('PEXPIRE', key, window)
  return -1
end
