export * from "./session.js";
export * as default from "./session.js";
