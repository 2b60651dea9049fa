// What is live in the dashboard: the feed, times, charts under the pointer, keys, copying, asking. Pages work without it; nothing moves then.
"use strict";
(() => {
  const root = new URL(document.documentElement.dataset.root, location.href);
  const $ = (selector, from = document) => from.querySelector(selector);
  const all = (selector, from = document) => [...from.querySelectorAll(selector)];

  // Times are the server's in UTC, and the reader's here.
  const two = (n) => String(n).padStart(2, "0");
  const clock = (d) => `${two(d.getHours())}:${two(d.getMinutes())}:${two(d.getSeconds())}`;
  const span = (ms) => {
    const s = Math.max(0, Math.round(ms / 1000));
    if (s < 60) return `${s} s`;
    if (s < 3600) return `${Math.floor(s / 60)} min`;
    if (s < 172800) return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`;
    return `${Math.floor(s / 86400)} d`;
  };
  function times(from = document) {
    for (const t of all("time[data-time]", from)) {
      const d = new Date(t.dateTime);
      const text = t.dataset.time === "date" && d.toDateString() !== new Date().toDateString()
        ? `${d.getFullYear()}-${two(d.getMonth() + 1)}-${two(d.getDate())} ${clock(d)}` : clock(d);
      if (t.textContent !== text) t.textContent = text;
    }
    ages();
  }
  function ages() {
    for (const e of all("[data-age]")) {
      const text = `(${span(Date.now() - new Date(e.dataset.age))} ago)`;
      if (e.textContent !== text) e.textContent = text;
    }
  }

  // A page is brought up to date from its own address. What the reader has opened, typed or focused stays.
  function same(a, b) {
    return a.nodeType === b.nodeType && a.nodeName === b.nodeName && (a.nodeType !== 1 || (a.dataset?.key === b.dataset?.key && a.getAttribute("id") === b.getAttribute("id")));
  }
  function morph(old, fresh) {
    if (old.nodeType === 3) {
      if (old.data !== fresh.data) old.data = fresh.data;
      return;
    }
    if (old.nodeType !== 1 || old.dataset?.keep !== undefined) return;
    for (const a of [...old.attributes]) {
      if (!fresh.hasAttribute(a.name) && !(a.name === "open" && old.nodeName === "DETAILS") && a.name !== "data-current" && a.name !== "tabindex") old.removeAttribute(a.name);
    }
    for (const a of fresh.attributes) {
      const kept = (a.name === "open" && old.nodeName === "DETAILS") || (a.name === "hidden" && old.nodeName === "BUTTON") || (a.name === "value" && old.nodeName === "INPUT" && old.type !== "hidden");
      if (!kept && old.getAttribute(a.name) !== a.value) old.setAttribute(a.name, a.value);
    }
    if (old.nodeName === "SELECT" || old.nodeName === "TEXTAREA") return;
    if (old.nodeName === "TIME" || old.dataset?.age !== undefined || old.dataset?.readout !== undefined) return;
    const list = [...fresh.childNodes];
    for (let i = 0; i < list.length; i++) {
      const want = list[i];
      let at = old.childNodes[i];
      if (at && !same(at, want)) {
        const key = want.dataset?.key;
        const moved = key && [...old.childNodes].slice(i).find((n) => same(n, want));
        const node = moved || document.importNode(want, true);
        if (!moved && key && node.classList) node.classList.add("fresh");
        old.insertBefore(node, at);
        at = node;
        if (!moved) continue;
      }
      if (at) morph(at, want);
      else old.appendChild(document.importNode(want, true));
    }
    while (old.childNodes.length > list.length) old.lastChild.remove();
  }

  let fetching = false, again = false, paused = false;
  async function refresh() {
    if (paused || document.hidden) { again = true; return; }
    if (fetching) { again = true; return; }
    fetching = true;
    again = false;
    try {
      const r = await fetch(location.href, { headers: { "X-Refresh": "1" }, redirect: "error" });
      if (!r.ok) return;
      const fresh = new DOMParser().parseFromString(await r.text(), "text/html");
      const main = $("#main", fresh);
      if (!main || paused) return;
      morph($("#main"), main);
      morph($("#status"), $("#status", fresh));
      const icon = $("link[rel=icon]"), next = $("link[rel=icon]", fresh).getAttribute("href");
      if (icon.getAttribute("href") !== next) icon.setAttribute("href", next);
      document.title = fresh.title;
      ready();
    } catch { /* the feed says when the server is gone */ } finally {
      setTimeout(() => { fetching = false; if (again) refresh(); }, 900); // hundreds of events are one refresh a second
    }
  }

  // The feed.
  const live = $("#live");
  function state(name, text) {
    if (live.dataset.state === name) return;
    live.dataset.state = name;
    live.textContent = text;
  }
  let feed;
  function connect() {
    feed = new EventSource(new URL("feed", root));
    feed.onopen = () => { if (!paused) state("live", "live"); };
    feed.onerror = () => { state("gone", "not connected"); };
    feed.addEventListener("tick", refresh);
    feed.addEventListener("happened", (e) => {
      let list = [];
      try { list = JSON.parse(e.data) || []; } catch { /* the next one will do */ }
      for (const h of list) step(h);
      refresh();
    });
  }
  document.addEventListener("visibilitychange", () => { if (!document.hidden && again) refresh(); });
  function hold() {
    paused = !paused;
    state(paused ? "still" : "live", paused ? "held still" : "live");
    if (!paused) refresh();
  }

  // Charts tell what is under the pointer.
  function hover(svg) {
    if (svg.dataset.ready) return;
    svg.dataset.ready = "1";
    const out = $("[data-readout]", svg.closest("figure")), cross = $(".cross", svg);
    const move = (x) => {
      const values = svg.dataset.values.split(";"), box = svg.getBoundingClientRect();
      const part = Math.min(1, Math.max(0, (x - box.left) / box.width));
      const i = Math.min(values.length - 1, Math.floor(part * values.length));
      const from = new Date(svg.dataset.from).getTime(), to = new Date(svg.dataset.to).getTime();
      cross.setAttribute("x1", part * 600);
      cross.setAttribute("x2", part * 600);
      out.textContent = `${clock(new Date(from + part * (to - from)))}  ${values[i] === "" ? "not read" : `${values[i]} ${svg.dataset.unit}`}`;
    };
    svg.addEventListener("pointermove", (e) => move(e.clientX));
    svg.addEventListener("pointerleave", () => { cross.setAttribute("x1", -9); cross.setAttribute("x2", -9); out.textContent = ""; });
  }

  // Copying.
  async function copy(button) {
    const r = await fetch(new URL(button.dataset.copy, location.href));
    const text = await r.text();
    try {
      await Promise.race([navigator.clipboard.writeText(text), new Promise((_, no) => { setTimeout(no, 1000); })]);
    } catch { // no permission, or no secure context
      const area = document.createElement("textarea");
      area.value = text;
      document.body.append(area);
      area.select();
      document.execCommand("copy");
      area.remove();
    }
    if (button.dataset.keep !== undefined) return;
    const said = button.textContent;
    button.dataset.keep = ""; // a refresh leaves it alone meanwhile
    button.textContent = "Copied";
    setTimeout(() => { button.textContent = said; delete button.dataset.keep; }, 1500);
  }

  // Asking. The request is the question: to end it is to stop it.
  let asking = null;
  function step(h) {
    const steps = $("#steps");
    if (!asking || !steps || h.subject !== "coordinator" || h.name.startsWith("llm.")) return;
    const li = document.createElement("li");
    for (const [name, text] of [["when", clock(new Date(h.at))], ["who", h.name.replace(/^[a-z]+\./, "").replaceAll("_", " ")], ["text", h.text || ""]]) {
      const s = document.createElement("span");
      s.className = name;
      s.textContent = `${text} `;
      li.append(s);
    }
    steps.append(li);
    while (steps.children.length > 60) steps.firstChild.remove();
  }
  async function ask(form) {
    const body = new URLSearchParams(new FormData(form)), box = $("#asking");
    if (asking || !body.get("q").trim()) return;
    asking = new AbortController();
    box.hidden = false;
    $("#steps").replaceChildren();
    $("#asking-text").textContent = `Looking into “${body.get("q")}” …`;
    try {
      const r = await fetch(form.action, { method: "POST", body, signal: asking.signal, headers: { Accept: "application/json" } });
      if (!r.ok) {
        const f = await r.json().catch(() => ({ error: r.statusText }));
        $("#asking-text").textContent = f.error;
        return;
      }
      box.hidden = true;
      form.elements.q.value = "";
    } catch {
      $("#asking-text").textContent = "Stopped.";
    } finally {
      asking = null;
      form.elements.key.value = [...crypto.getRandomValues(new Uint8Array(8))].map((b) => b.toString(16).padStart(2, "0")).join("");
      refresh();
    }
  }

  // Everything that a fresh page needs.
  function ready() {
    times();
    for (const svg of all("svg[data-values]")) hover(svg);
    for (const b of all("button[data-copy]")) b.hidden = false;
  }

  // Theme.
  function theme() {
    const now = document.documentElement.dataset.theme || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
    const next = now === "dark" ? "light" : "dark";
    document.documentElement.dataset.theme = next;
    try { localStorage.setItem("beamlens-theme", next); } catch { /* it lasts as long as the page */ }
  }

  // Keys.
  const places = { o: "", i: "incidents", a: "alerts", n: "insights", p: "operators", m: "metrics", q: "ask", s: "settings" };
  let pending = 0;
  function row(by) {
    const rows = all("[data-list] > [data-key]");
    if (!rows.length) return;
    const at = rows.findIndex((r) => r.dataset.current !== undefined);
    const next = rows[Math.min(rows.length - 1, Math.max(0, at + by))];
    for (const r of rows) delete r.dataset.current;
    next.dataset.current = "";
    const link = $("a", next);
    if (link) link.focus();
  }
  document.addEventListener("keydown", (e) => {
    if (e.ctrlKey || e.metaKey || e.altKey || /^(INPUT|TEXTAREA|SELECT)$/.test(e.target.nodeName)) return;
    if (pending && Date.now() - pending < 1500 && e.key in places) {
      location.href = new URL(places[e.key], root).href;
      e.preventDefault();
      return;
    }
    pending = 0;
    const act = {
      g: () => { pending = Date.now(); }, j: () => row(1), k: () => row(-1), t: theme, h: hold,
      "/": () => { const s = $("[data-search]"); if (s) s.focus(); },
      c: () => { const b = $("button[data-copy]"); if (b) copy(b); },
      "?": () => { const d = $("#help"); if (!d.open) d.showModal(); },
    }[e.key];
    if (act) { act(); e.preventDefault(); }
  });
  document.addEventListener("click", (e) => {
    const b = e.target.closest("button");
    if (!b) return;
    if (b.id === "theme") theme();
    if (b.id === "keys") $("#help").showModal();
    if (b.id === "stop" && asking) asking.abort();
    if (b.dataset.copy) copy(b);
  });
  document.addEventListener("submit", (e) => { if (e.target.id === "ask") { e.preventDefault(); ask(e.target); } });

  $("#zone").textContent = `in ${Intl.DateTimeFormat().resolvedOptions().timeZone || "your time zone"}`;
  $("#theme").hidden = false;
  $("#keys").hidden = false;
  ready();
  setInterval(ages, 1000);
  connect();
})();
