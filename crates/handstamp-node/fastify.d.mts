export * from "./fastify.js";
export * as default from "./fastify.js";
