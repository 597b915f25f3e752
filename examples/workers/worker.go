// A worker for tasks of the type `acme.double`: AOB_URL=http://127.0.0.1:8080 go run worker.go
package main

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"sync"
	"time"
)

type M = map[string]any

var held sync.Map // Tasks in hand, by name: they are kept by a heartbeat.

// What the type does. `key` is the same over all attempts: name effects outside by it.
func work(task M) M {
	return M{"doubled": 2 * task["input"].(M)["n"].(float64), "key": task["key"]}
}

// Asks until there is an answer: whatever is asked twice counts once.
func post(what string, body M) (answer M) {
	text, _ := json.Marshal(body)
	for ; ; time.Sleep(200 * time.Millisecond) {
		request, _ := http.NewRequest("POST", os.Getenv("AOB_URL")+"/api/v1/work/"+what, bytes.NewReader(text))
		request.Header.Set("content-type", "application/json")
		request.Header.Set("authorization", "Bearer "+os.Getenv("AOB_TOKEN"))
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			continue // The gateway is away: it comes back, or another one takes its place.
		}
		said, err := io.ReadAll(response.Body)
		response.Body.Close()
		if code := response.StatusCode; err == nil && code < 300 && json.Unmarshal(said, &answer) == nil {
			return answer
		} else if code >= 300 && code < 500 && code != 408 && code != 429 {
			panic(string(said))
		}
	}
}

func main() {
	claim := M{"types": []string{"acme.double"}, "max": 1, "wait": "0s"}
	lease := time.Duration(post("claim", claim)["lease"].(float64) * float64(time.Second))
	go func() {
		for ; ; time.Sleep(lease / 3) {
			names := []any{}
			held.Range(func(name, _ any) bool { names = append(names, name); return true })
			post("heartbeat", M{"tasks": names}) // "lost": another worker has it, no answer counts.
		}
	}()
	for claim["wait"] = "30s"; ; {
		for _, one := range post("claim", claim)["tasks"].([]any) {
			task := one.(M)
			held.Store(task["task"], task)
			post("complete", M{"task": task["task"], "fence": task["fence"], "output": work(task)})
			held.Delete(task["task"])
		}
	}
}
