/** The workflow language of AOB: types, guards and validators. */
export type * from "./types.js";
export * from "./nodes.js";
export * from "./parse.js";
