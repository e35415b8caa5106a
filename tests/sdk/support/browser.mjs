// A browser as far as sessions are concerned: it keeps cookies as it is told, and the two headers the frontend SDK looks at.

/** Splits one Set-Cookie header. Attribute names are lower-cased; one without a value is true. */
export function parseCookie(header) {
  const [pair, ...attributes] = header.split("; ");
  const [name, ...value] = pair.split("=");
  const cookie = { name, value: value.join("=") };
  for (const attribute of attributes) {
    const [key, ...text] = attribute.split("=");
    cookie[key.toLowerCase()] = text.length === 0 ? true : text.join("=");
  }
  return cookie;
}

export class Browser {
  cookies = new Map();
  antiCsrf;
  /** Tokens that came in headers. */
  tokens = new Map();

  /** `transfer`, "cookie" or "header", is asked for in each request; without it, nothing is. */
  constructor(url, { transfer } = {}) {
    this.url = url;
    this.transfer = transfer;
  }

  /** A second browser with the same tokens, as a thief has. */
  copy() {
    const copy = new Browser(this.url, { transfer: this.transfer });
    copy.cookies = new Map(this.cookies);
    copy.antiCsrf = this.antiCsrf;
    copy.tokens = new Map(this.tokens);
    return copy;
  }

  async send(method, path, { headers = {} } = {}) {
    const sent = [...this.cookies].filter(([, cookie]) => pathMatches(path, cookie.path));
    const token = this.tokens.get(path === "/session/refresh" ? "st-refresh-token" : "st-access-token");
    const response = await fetch(this.url + path, {
      method,
      headers: {
        ...(sent.length > 0 && { cookie: sent.map(([name, { value }]) => `${name}=${value}`).join("; ") }),
        ...(this.transfer && { "st-auth-mode": this.transfer }),
        ...(token && { authorization: `Bearer ${token}` }),
        ...(this.antiCsrf && { "anti-csrf": this.antiCsrf }),
        ...headers,
      },
    });
    const set = response.headers.getSetCookie().map(parseCookie);
    for (const cookie of set) {
      // Not by its end: one that ends within seconds may be over when it arrives, and says what its token says anyway.
      if (cookie.value === "") this.cookies.delete(cookie.name);
      else this.cookies.set(cookie.name, cookie);
    }
    for (const name of ["st-access-token", "st-refresh-token"]) {
      const brought = response.headers.get(name);
      if (brought === "") this.tokens.delete(name);
      else if (brought !== null) this.tokens.set(name, brought);
    }
    this.antiCsrf = response.headers.get("anti-csrf") ?? this.antiCsrf;
    const text = await response.text();
    return {
      status: response.status,
      headers: response.headers,
      cookies: Object.fromEntries(set.map((cookie) => [cookie.name, cookie])),
      text,
      json: () => JSON.parse(text),
    };
  }
}

/** Whether a cookie for `of` goes along with a request for `path`: RFC 6265, section 5.1.4. */
function pathMatches(path, of) {
  const [asked] = path.split("?");
  return asked === of || (asked.startsWith(of) && (of.endsWith("/") || asked[of.length] === "/"));
}
