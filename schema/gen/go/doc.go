// Package aob holds the workflow language of AOB: its types, a validator, and typed views of node
// configs and of the changes in a run's history.
//
// A document is read with ParseWorkflow, which judges it by the JSON Schemas and gives every fault
// at once. The rules of the graph (cycles, reads, gates) are judged by `aob lint` and by every
// server, not here.
package aob
