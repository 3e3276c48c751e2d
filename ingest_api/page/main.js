/** The page: sign-in, and the desk with submissions, the list of ECGs, and the open ECG. */

import { bannerOf } from "./banner.js";
import { element, find } from "./dom.js";
import { askToErase } from "./erasure.js";
import { askToDownload } from "./exports/download.js";
import { Gateway, Refused } from "./gateway.js";
import { List } from "./list.js";
import { RecordingList } from "./live/list.js";
import { RecordingView } from "./live/recording.js";
import { UNITS } from "./recordings/csv.js";
import { Results } from "./results.js";
import { Uploads } from "./uploads.js";
import { Viewer } from "./viewer.js";

const TOKEN = "ecg-token";
const STATES = {
  waiting: "waiting",
  reading: "reading",
  sending: "sending",
  away: "not sent yet",
  accepted: "accepted, being processed",
  done: "done",
  failed: "failed",
};

// In the address's fragment, before the id of a recording that arrives in chunks; ids of ECGs have no slash.
const RECORDINGS = "recordings/";

const outage = bannerOf();
const viewer = new Viewer();
const recording = new RecordingView(viewer, (time) => go(recordingHash(recording.opened.id, time)));
// The names of the files that the current user has submitted on this page, by ECG id.
let names = new Map();
let session = null; // {gateway, uploads, list, recordings, end}
let attempt = null; // the sign-in that waits for its answer

function signIn(gateway, first, ending) {
  attempt = null;
  const { signal } = ending;
  names = new Map();
  const list = new List(gateway, names, open, signal);
  const recordings = new RecordingList(gateway, (id) => go(recordingHash(id)), signal);
  const hear = (event) => {
    recordings.hear(event);
    recording.hear(event);
  };
  const results = new Results(gateway, () => list.refresh(), hear, signal);
  const rows = new Map();
  const wasThere = (id, time) => list.had(id, time);
  const uploads = new Uploads(gateway, results, wasThere, (upload) => showUpload(rows, upload), signal);
  session = { gateway, uploads, list, recordings, end: () => ending.abort() };
  find("#uploads").replaceChildren();
  viewer.reset(gateway);
  recording.reset(gateway);
  find("#username").textContent = first.username;
  list.start(first);
  show("#desk");
  openNamed();
}

function signOut(problem = "") {
  // The address names the open ECG: the next user must not see it.
  if (session) history.replaceState(null, "", location.pathname);
  session?.end();
  session = null;
  sessionStorage.removeItem(TOKEN);
  viewer.reset();
  recording.reset();
  for (const list of ["#uploads", "#earlier", "#recordings-list"]) find(list).replaceChildren();
  show("#sign-in");
  tellToken(problem);
  find("#token").focus();
}

function show(part) {
  for (const other of ["#insecure", "#sign-in", "#desk"]) find(other).hidden = other !== part;
  find("#account").hidden = part !== "#desk";
}

function tellToken(problem) {
  find("#token-error").textContent = problem;
  find("#token-note").textContent = "";
  find("#token").setAttribute("aria-invalid", String(problem !== ""));
}

/** Sign in with a token, and return whether that succeeded. */
async function tryToken(token) {
  // No gateway issues such a token, and a header cannot carry all characters.
  if (!/^[\x21-\x7e]+$/.test(token)) {
    signOut(token ? "This is not a token: tokens contain neither spaces nor special characters." : "Enter your token.");
    return false;
  }
  attempt?.abort();
  const ending = (attempt = new AbortController());
  tellToken("");
  find("#token-note").textContent = "Signing in …";
  const gateway = new Gateway(token, outage, () => {
    if (!ending.signal.aborted) {
      ending.abort();
      signOut(session ? "Your token is no longer valid: it has expired, or was replaced or revoked." : "Wrong token.");
    }
  });
  try {
    const first = await gateway.list(null, ending.signal);
    sessionStorage.setItem(TOKEN, token);
    signIn(gateway, first, ending);
    return true;
  } catch (error) {
    if (ending.signal.aborted) return false;
    if (!(error instanceof Refused)) throw error;
    show("#sign-in");
    tellToken(`Cannot sign in: ${error.message}`);
    return false;
  }
}

function open(id) {
  go(`#${encodeURIComponent(id)}`);
}

function recordingHash(id, time = null) {
  return `#${RECORDINGS}${encodeURIComponent(id)}${time === null ? "" : `/${Number(time.toFixed(3))}`}`;
}

function go(hash) {
  if (location.hash === hash) openNamed();
  else location.hash = hash;
}

/** Open the ECG or the recording that the address's fragment names. */
function openNamed() {
  if (!session) return;
  const { id, isRecording, time } = named();
  if (!id) return;
  session.list.mark(isRecording ? null : id);
  session.recordings.mark(isRecording ? id : null);
  find("#actions").hidden = false;
  if (isRecording) {
    recording.open(id, session.recordings.nameOf(id), time);
    return;
  }
  recording.reset(session.gateway);
  viewer.open(id, names.get(id) ?? session.list.nameOf(id));
}

/** Return what the address's fragment names: `{id, isRecording, time}`, the time being that of a part of a recording. */
function named() {
  const fragment = location.hash.slice(1);
  if (!fragment.startsWith(RECORDINGS)) return { id: decoded(fragment), isRecording: false, time: null };
  const [id, time] = fragment.slice(RECORDINGS.length).split("/");
  return { id: decoded(id), isRecording: true, time: time >= 0 ? Number(time) : null };
}

/** Return the id in a fragment, as it stands there if it is not encoded as this page encodes ids. */
function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function showUpload(rows, upload) {
  const { name, state, detail, notes, ecgId } = upload;
  if (ecgId) names.set(ecgId, name);
  const dismiss = () => {
    rows.get(upload).remove();
    rows.delete(upload);
    find("#choose").focus();
  };
  const row = element(
    "li",
    { "data-state": state, "data-ecg": ecgId },
    element("span", { class: "name" }, name),
    element("span", { class: "state" }, state === "done" && upload.known ? "already submitted" : STATES[state]),
    ...notes.map((note) => element("span", { class: "note" }, note)),
    detail ? element("span", { class: "detail" }, detail) : null,
    state === "done"
      ? element("button", { type: "button", "aria-label": `Open ${name}`, onclick: () => open(ecgId) }, "Open")
      : null,
    state === "failed"
      ? element("button", { type: "button", "aria-label": `Dismiss ${name}`, onclick: dismiss }, "Dismiss")
      : null,
  );
  if (rows.has(upload)) rows.get(upload).replaceWith(row);
  else find("#uploads").append(row);
  rows.set(upload, row);
  if (state === "done" || state === "failed")
    find("#status").textContent = `${name}: ${STATES[state]}${detail ? `, ${detail}` : ""}`;
  // Unless the user has opened another one meanwhile.
  if (state === "done" && upload.alone && location.hash === upload.openedThen) open(ecgId);
}

/** Erase the ECG that is open, if the user says so. */
async function eraseOpened() {
  const { id } = named();
  const { gateway, list } = session;
  const name = find("#viewer-title").textContent;
  if (!(await askToErase(name, () => gateway.erase(id)))) return;
  // The user may have signed out meanwhile.
  if (session?.list !== list) return;
  names.delete(id);
  list.remove(id);
  find(`#uploads li[data-ecg="${CSS.escape(id)}"]`)?.remove();
  closeErased(id, name);
}

/** Erase the recording that is open, if the user says so. */
async function eraseRecording() {
  const { id, title } = recording.opened;
  const { gateway, recordings } = session;
  if (!(await askToErase(title, () => gateway.erase(id, "recordings")))) return;
  if (session?.recordings !== recordings) return;
  recordings.remove(id);
  closeErased(id, title);
}

function closeErased(id, name) {
  find("#status").textContent = `${name} is erased.`;
  if (named().id !== id) return;
  history.replaceState(null, "", location.pathname);
  recording.reset(session.gateway);
  viewer.reset(session.gateway);
  find("#actions").hidden = true;
  find("#search").focus();
}

function submit(files) {
  const rate = Number(find("#csv-rate").value);
  // There is no session if the token was revoked while the user chose files.
  session?.uploads.add(files, {
    opened: location.hash,
    unit: find("#csv-unit").value,
    samplingRate: rate > 0 ? rate : null,
    label: find("#labelled").checked,
    leads: find("#leads-read")
      .value.split(",")
      .map((name) => name.trim())
      .filter(Boolean),
  });
}

function takeFiles() {
  const drop = find("#drop");
  const carriesFiles = (event) => session && event.dataTransfer?.types.includes("Files");
  // Files may be dropped anywhere: by default the browser would open a file that misses the drop zone.
  for (const type of ["dragenter", "dragover", "dragleave", "drop"]) {
    document.addEventListener(type, (event) => {
      event.preventDefault();
      drop.classList.toggle("over", type !== "drop" && type !== "dragleave" && Boolean(carriesFiles(event)));
      if (type === "drop" && carriesFiles(event)) submit(event.dataTransfer.files);
    });
  }
  find("#choose").addEventListener("click", () => find("#files").click());
  find("#files").addEventListener("change", ({ target }) => {
    submit(target.files);
    // So that choosing the same file again is a change.
    target.value = "";
  });
  find("#csv-unit").append(...Object.entries(UNITS).map(([value, { label }]) => element("option", { value }, label)));
}

takeFiles();
find("#token-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const field = find("#token");
  if (await tryToken(field.value.trim())) {
    field.value = "";
    find("#choose").focus();
  }
});
find("#token").addEventListener("input", () => {
  attempt?.abort();
  tellToken("");
});
find("#sign-out").addEventListener("click", () => signOut());
find("#take").addEventListener("click", () => askToDownload(viewer.opened));
find("#erase").addEventListener("click", eraseOpened);
find("#recording-erase").addEventListener("click", eraseRecording);
window.addEventListener("hashchange", openNamed);
// The browser asks before it closes a page whose recordings are not sent yet.
window.addEventListener("beforeunload", (event) => session?.uploads.busy && event.preventDefault());
const kept = sessionStorage.getItem(TOKEN);
// Without TLS anybody on the network path could read the token; besides, browsers then offer no `crypto.subtle`, which
// idempotency keys need.
if (!window.isSecureContext) show("#insecure");
else {
  show("#sign-in");
  find("#token").focus();
  if (kept) tryToken(kept);
}
