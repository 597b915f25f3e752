// A worker for tasks of the type `acme.double`: AOB_URL=http://127.0.0.1:8080 go run worker.go
package main

import (
	"bytes"
	"encoding/json"
	"net/http"
	"os"
	"sync"
	"time"
)

type Task struct {
	Task, Fence, Key string
	Input            struct{ Number int64 }
}
type M = map[string]any

var held sync.Map // Tasks in hand, by name: they are kept by a heartbeat.

// What the type does. `key` is the same over all attempts: name effects outside by it.
func work(task Task) M { return M{"doubled": 2 * task.Input.Number, "key": task.Key} }

func post[A any](what string, body M) (answer A) { // Asks until it is answered: twice counts once.
	text, _ := json.Marshal(body)
	for ; ; time.Sleep(200 * time.Millisecond) {
		request, _ := http.NewRequest("POST", os.Getenv("AOB_URL")+"/api/v1/work/"+what, bytes.NewReader(text))
		request.Header = http.Header{"Content-Type": {"application/json"}, "Authorization": {"Bearer " + os.Getenv("AOB_TOKEN")}}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			continue // The gateway is away: it comes back, or another takes its place.
		}
		err = json.NewDecoder(response.Body).Decode(&answer)
		response.Body.Close()
		if code := response.StatusCode; err == nil && code < 300 {
			return
		} else if code >= 300 && code < 500 && code != 408 && code != 429 {
			panic(what + ": " + response.Status)
		}
	}
}

func main() {
	claim := M{"types": []string{"acme.double"}, "max": 1}
	pause := time.Duration(post[struct{ Lease float64 }]("claim", claim).Lease / 3 * float64(time.Second))
	go func() {
		for ; ; time.Sleep(pause) {
			names := []any{}
			held.Range(func(name, _ any) bool { names = append(names, name); return true })
			post[M]("heartbeat", M{"tasks": names}) // "lost": another worker has it, no answer counts.
		}
	}()
	for claim["wait"] = "30s"; ; {
		for _, task := range post[struct{ Tasks []Task }]("claim", claim).Tasks {
			held.Store(task.Task, true)
			post[M]("complete", M{"task": task.Task, "fence": task.Fence, "output": work(task)})
			held.Delete(task.Task)
		}
	}
}
