-- Argo CD: the health of a RunPatch.
for _, condition in ipairs((obj.status or {}).conditions or {}) do
  if condition.type == "Applied" then
    if condition.status == "True" or condition.reason == "Undone" then
      return { status = "Healthy", message = condition.message }
    end
    if condition.status == "False" then
      return { status = "Degraded", message = condition.message }
    end
    return { status = "Progressing", message = condition.message }
  end
end
return { status = "Progressing", message = "Not looked at yet" }
