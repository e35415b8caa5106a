// The page: who is signed in, and a note of theirs. Requests go by `fetch`, which the SDK has taken over: one that finds its access
// token over is sent again after a refresh, and nothing here knows of it.
import { hasSession, signOut, start } from "./sdk.js";

const { api, transfer } = await (await fetch("/page.json")).json();
start(api, transfer);

const signedOut = document.querySelector("#signed-out");
const signedIn = document.querySelector("#signed-in");
const call = (method, path, body) => fetch(api + path, { method, body });

async function show() {
  // A session can be over without the page having been told.
  const me = (await hasSession()) ? await call("GET", "/me") : undefined;
  signedOut.hidden = me?.ok === true;
  signedIn.hidden = !signedOut.hidden;
  if (signedIn.hidden) return;
  document.querySelector("#user").value = (await me.json()).user;
  signedIn.elements.note.value = (await (await call("GET", "/note")).json()).note ?? "";
}

signedOut.addEventListener("submit", async (event) => {
  event.preventDefault();
  await call("POST", "/login", signedOut.elements.user.value);
  await show();
});

signedIn.addEventListener("submit", async (event) => {
  event.preventDefault();
  await call("PUT", "/note", signedIn.elements.note.value);
  await show();
});

document.querySelector("#sign-out").addEventListener("click", async () => {
  await signOut();
  await show();
});

await show();
