export * from "./koa.js";
export * as default from "./koa.js";
