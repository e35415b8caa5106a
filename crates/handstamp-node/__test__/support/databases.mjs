// Databases that nobody has used yet. Those that need a server are made on the one that the environment names.
import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after } from "node:test";

import mysql from "mysql2/promise";

const { HANDSTAMP_TEST_POSTGRES: postgres, HANDSTAMP_TEST_MYSQL: mariadb, CI } = process.env;

/** Why tests on it are skipped, if they are: not where all servers have to be there. */
const without = (address, variable) => (address || CI === "true" ? false : `${variable} names no server`);

export function temporaryFolder() {
  const folder = mkdtempSync(path.join(tmpdir(), "handstamp-node-"));
  after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

const name = () => `node_${randomBytes(6).toString("hex")}`;

/** `make` answers the address of a database with nothing in it. */
export const DATABASES = {
  SQLite: {
    skip: false,
    make: async () => `sqlite:${path.join(temporaryFolder(), "sessions.db")}`,
  },
  PostgreSQL: {
    skip: without(postgres, "HANDSTAMP_TEST_POSTGRES"),
    async make() {
      const address = new URL(postgres);
      address.searchParams.set("schema", name());
      return address.href;
    },
  },
  MySQL: {
    skip: without(mariadb, "HANDSTAMP_TEST_MYSQL"),
    async make() {
      const address = new URL(mariadb);
      const connection = await mysql.createConnection(mariadb);
      address.pathname = name();
      await connection.query(`CREATE DATABASE ${address.pathname.slice(1)}`);
      await connection.end();
      return address.href;
    },
  },
};
