// The document: finding, making and changing its elements, and the notices at its top.

export const at = (id) => document.getElementById(id);

/** Sets a text only when it differs, so that what is read aloud or selected stays. */
export function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Sets an attribute, or takes it away when the value is null. */
export function mark(element, name, value) {
  if (value === null) element.removeAttribute(name);
  else if (element.getAttribute(name) !== String(value)) element.setAttribute(name, value);
}

export function make(tag, className, text) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  if (text) element.textContent = text;
  return element;
}

/** Makes an element of a drawing. */
export function draw(tag, attributes = {}, children = []) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== null) element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

/**
 * Makes the children of a parent those of a list, by key. Children that stay keep their element, hence the keyboard's
 * focus, their place, and motions under way.
 */
export function list(parent, items, key, create, update) {
  const old = new Map([...parent.children].map((child) => [child.dataset.key, child]));
  items.forEach((item, index) => {
    const name = String(key(item));
    let child = old.get(name);
    old.delete(name);
    if (!child) {
      child = create(item);
      child.dataset.key = name;
    }
    if (parent.children[index] !== child) parent.insertBefore(child, parent.children[index] ?? null);
    update(child, item);
  });
  for (const child of old.values()) child.remove();
}

/** Shows a notice; one of the same subject takes the place of the one before. */
export function notice(subject, text, kind = "problem") {
  const old = noticeAbout(subject);
  if (old?.firstChild.textContent === text) return;
  const box = make("div", "notice");
  box.dataset.subject = subject;
  box.dataset.kind = kind;
  const close = make("button", "quiet", "Dismiss");
  close.type = "button";
  close.addEventListener("click", () => box.remove());
  box.append(make("p", "", text), close);
  if (old) old.replaceWith(box);
  else at("notices").append(box);
}

export const noticeAbout = (subject) =>
  [...at("notices").children].find((box) => box.dataset.subject === subject);

export const withdraw = (subject) => noticeAbout(subject)?.remove();
