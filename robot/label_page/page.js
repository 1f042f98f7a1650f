"use strict";
// One key, one request; the next question comes with the answer. Nothing is kept in the page.

const ANSWERS = { y: "yes", n: "no", s: "skip", u: "undo" };
const at = (id) => document.getElementById(id);
let state = null;
let busy = false;

function image(key, moment, view) {
  const seen = new Image();
  seen.src = `image/${key}/${moment}/${encodeURIComponent(view)}.png`;
  seen.alt = `${view}, moment ${moment}`;
  return seen;
}

function column(asked, moment) {
  const figure = document.createElement("figure");
  figure.classList.toggle("now", moment === asked.moment);
  figure.append(...asked.views.map((view) => image(asked.key, moment, view)));
  const caption = document.createElement("figcaption");
  caption.textContent = `${moment + 1} of ${asked.moments}`;
  figure.append(caption);
  return figure;
}

function show(next) {
  state = next;
  const asked = state.asked;
  at("instruction").textContent = asked ? `Reached? “${asked.instruction}”` : "All are answered";
  at("progress").textContent = `${state.done} of ${state.of} answered, each is saved`;
  at("bar").max = Math.max(state.of, 1);
  at("bar").value = state.done;
  at("asked").replaceChildren(...(asked ? asked.views.map((v) => image(asked.key, asked.moment, v)) : []));
  const moments = asked ? [...new Set([...asked.context, asked.moment])].sort((a, b) => a - b) : [];
  at("context").replaceChildren(...moments.map((moment) => column(asked, moment)));
  const sheet = at("sheet");
  if (sheet.children.length !== state.sheet.length) {
    sheet.replaceChildren(...state.sheet.map((one) => image(one.key, one.moment, state.view)));
  }
  state.sheet.forEach((one, index) => {
    sheet.children[index].className = asked && one.key === asked.key ? "now" : one.answer;
    sheet.children[index].loading = "lazy";
  });
}

async function request(path, body) {
  if (busy) return;
  busy = true;
  try {
    const options = body && {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(body),
    };
    const response = await fetch(path, options);
    if (!response.ok) throw new Error(await response.text());
    at("trouble").textContent = "";
    show(await response.json());
  } catch (error) {
    at("trouble").textContent = error.message;
  } finally {
    busy = false;
  }
}

async function end() {
  await fetch("end", { method: "POST", headers: { "Content-Type": "application/json" }, body: "{}" });
  document.body.textContent = "Ended; this page can be closed.";
}

function press(key) {
  if (key === "Enter") end();
  else if (key in ANSWERS) request("answer", { key: state?.asked?.key ?? "", answer: ANSWERS[key] });
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.altKey || event.metaKey || event.repeat) return;
  if (event.key === "Enter" && event.target instanceof HTMLButtonElement) return;
  press(event.key);
});
document.querySelectorAll("button").forEach((button) => {
  button.addEventListener("click", () => { press(button.dataset.key); button.blur(); });
});
request("state");
