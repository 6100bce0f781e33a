// Numbers and names in words.

export const count = (number, noun) => `${number} ${noun}${number === 1 ? "" : "s"}`;

export function sizeText(bytes) {
  if (bytes < 1000) return count(Math.round(bytes), "byte");
  const units = ["kB", "MB", "GB", "TB", "PB"];
  let unit = -1;
  let number = bytes;
  do {
    number /= 1000;
    unit += 1;
  } while (number >= 999.5 && unit < units.length - 1);
  return `${number.toFixed(number < 9.995 ? 2 : number < 99.95 ? 1 : 0)} ${units[unit]}`;
}

/** A rate, short enough for an axis. */
export function rateText(bytes) {
  if (bytes <= 0) return "0";
  if (bytes < 1000) return `${Math.round(bytes)} B/s`;
  return bytes < 1e6 ? `${Math.round(bytes / 1e3)} kB/s` : `${(bytes / 1e6).toFixed(bytes < 1e7 ? 1 : 0)} MB/s`;
}

export function clockText(seconds) {
  const whole = Math.floor(seconds);
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
}

/** The hue of the node at this place in the cluster's list: a variable of the style sheet. */
export const hue = (index) => `var(--hue-${((index % 8) + 8) % 8})`;

/** An error object of the API in plain words. */
export function errorText(status, body) {
  let error = null;
  try {
    error = JSON.parse(body);
  } catch {
    // Not the API's: a proxy's page, or nothing. The status says what there is to say.
  }
  if (!error?.message) return `the answer was HTTP ${status}`;
  const text = (value) => (typeof value === "string" ? value : JSON.stringify(value));
  const numbers = [];
  for (const name of ["found", "expected"]) {
    // Many messages say the numbers themselves.
    if (error[name] != null && !error.message.includes(text(error[name]))) numbers.push(`${name} ${text(error[name])}`);
  }
  return numbers.length > 0 ? `${error.message} (${numbers.join(", ")})` : error.message;
}
