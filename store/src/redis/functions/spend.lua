
-- What a tenant's agents cost in a day of UTC, `spend:<tenant>:<day>`: a hash of micro-dollars. Its field `#` is all that
-- is used and reserved; any other is an attempt's reservation, `<call> <amount>`.
local DAY, KEPT = 86400000, 3 * 86400000

-- args: epoch, tenant, attempt, call, used ('': all that was reserved), amount ('': nothing is reserved), cap, time in ms
-- ('': the server's). Answers nothing if it is taken, or was by this very call; else what is taken, and when the day ends.
local function spend(keys, args)
  local shard = enter(keys, args)
  if not shard then
    return changed()
  end
  local id, own, amount = args[3], args[4], tonumber(args[6])
  local time = args[8] == '' and now() or tonumber(args[8])
  local day = floor(time / DAY)
  local prefix = shard.prefix .. 'spend:' .. args[2] .. ':'
  local today = prefix .. format('%.0f', day)
  -- A question that is asked at midnight counts for the day before.
  for back = 0, 1 do
    local key = prefix .. format('%.0f', day - back)
    local by, open = match(call('HGET', key, id) or '', '^(%d+) (%d+)$')
    if by == own then
      return {}
    elseif by then
      if args[5] ~= '' then
        call('HINCRBY', key, '#', format('%.0f', tonumber(args[5]) - tonumber(open)))
      end
      call('HDEL', key, id)
      break
    end
  end
  if not amount then
    return {}
  end
  local taken = tonumber(call('HGET', today, '#') or 0)
  if taken + amount > tonumber(args[7]) then
    return {taken, (day + 1) * DAY}
  end
  call('HINCRBY', today, '#', format('%.0f', amount))
  call('HSET', today, id, own .. ' ' .. format('%.0f', amount))
  call('PEXPIRE', today, KEPT)
  return {}
end
