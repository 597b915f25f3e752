-- Argo CD: the health of a Run. Nothing blocks on a person: a run that waits for one is Suspended, not Progressing.
local found = {}
for _, condition in ipairs((obj.status or {}).conditions or {}) do
  found[condition.type] = condition
end
local complete, succeeded = found.Complete, found.Succeeded
if complete ~= nil and complete.status == "True" then
  if succeeded ~= nil and succeeded.status == "False" then
    return { status = "Degraded", message = succeeded.message }
  end
  return { status = "Healthy", message = complete.message }
end
if found.Waiting ~= nil and found.Waiting.status == "True" then
  return { status = "Suspended", message = found.Waiting.message }
end
if (obj.spec or {}).suspend == true then
  return { status = "Suspended", message = "Suspended on request" }
end
if found.Admitted ~= nil and found.Admitted.status == "False" then
  return { status = "Progressing", message = found.Admitted.message }
end
return { status = "Progressing", message = (obj.status or {}).progress or "Not begun" }
