// A worker for tasks of the type `acme.double`: AOB_URL=http://127.0.0.1:8080 node worker.mts
declare const process: { env: Record<string, string | undefined> };
type Task = { task: string; fence: string; key: string; input: { number: number } };

const url = `${process.env.AOB_URL ?? "http://127.0.0.1:8080"}/api/v1/work/`;
const types = ["acme.double"];
const held = new Set<string>(); // Tasks in hand, by name: they are kept by a heartbeat.
const pause = (seconds: number) => new Promise((done) => setTimeout(done, seconds * 1000));

// What the type does. `key` is the same over all attempts: name effects outside by it.
async function work(task: Task): Promise<unknown> {
  return { doubled: 2 * task.input.number, key: task.key };
}

// Asks until there is an answer: whatever is asked twice counts once.
async function post<Answer>(what: string, body: unknown): Promise<Answer> {
  const headers: Record<string, string> = { "content-type": "application/json" };
  if (process.env.AOB_TOKEN) headers.authorization = `Bearer ${process.env.AOB_TOKEN}`;
  for (;; await pause(0.2)) {
    let response: Response;
    try {
      response = await fetch(url + what, { method: "POST", headers, body: JSON.stringify(body) });
      if (response.ok) return (await response.json()) as Answer;
    } catch {
      continue; // The gateway is away: it comes back, or another one takes its place.
    }
    if (response.status < 500 && ![408, 429].includes(response.status)) {
      throw new Error(await response.text());
    }
  }
}

async function beat(lease: number): Promise<never> {
  for (;; await pause(lease / 3)) {
    const names = [...held];
    const { tasks } = await post<{ tasks: string[] }>("heartbeat", { tasks: names });
    // Lost: another worker has it, no answer counts.
    names.forEach((name, at) => tasks[at] === "lost" && held.delete(name));
  }
}

type Claimed = { tasks: Task[]; lease: number };
void beat((await post<Claimed>("claim", { types, max: 1, wait: "0s" })).lease);
for (;;) {
  for (const task of (await post<Claimed>("claim", { types, max: 1, wait: "30s" })).tasks) {
    const name = { task: task.task, fence: task.fence };
    held.add(task.task);
    try {
      await post("complete", { ...name, output: await work(task) });
    } catch (error) {
      await post("fail", { ...name, error: { code: "worker", message: String(error) }, retryable: true });
    }
    held.delete(task.task);
  }
}
