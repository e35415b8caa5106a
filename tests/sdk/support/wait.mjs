// The one real wait there is: a token's own end.
import { setTimeout as delay } from "node:timers/promises";

/** Returns once the clock is past `expiry` (milliseconds since 1970), as a token with that expiry tells it. */
export async function past(expiry) {
  while (Date.now() <= expiry) await delay(expiry - Date.now() + 1);
}
