"use strict";
// How requests and responses of each framework are read and written. A response that was begun takes no headers any more.

function writable({ getHeader, setHeader }) {
  if (typeof getHeader !== "function" || typeof setHeader !== "function") throw new TypeError("not a response");
}

/** Node.js's own, and so Express and Connect. */
const node = {
  readOf: ({ headers, cookies }) => ({ headers, cookies }),
  viewOf(res) {
    writable(res);
    return {
      isBegun: () => res.headersSent === true,
      get: (name) => res.getHeader(name),
      set: (name, value) => res.setHeader(name, value),
    };
  },
};

const fastify = {
  readOf: ({ headers, cookies }) => ({ headers, cookies }),
  viewOf(reply) {
    const { getHeader, header, removeHeader } = reply;
    if (![getHeader, header, removeHeader].every((method) => typeof method === "function")) throw new TypeError("not a reply");
    return {
      isBegun: () => reply.sent === true || reply.raw?.headersSent === true,
      get: (name) => reply.getHeader(name),
      // To set a cookie is to add one here.
      set: (name, value) => reply.removeHeader(name).header(name, value),
    };
  },
};

/** The context is both, request and response. */
const koa = {
  readOf: ({ req }) => ({ headers: req.headers }),
  viewOf({ res }) {
    writable(res);
    return node.viewOf(res);
  },
};

module.exports = { node, fastify, koa };
