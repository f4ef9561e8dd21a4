/* Is what was typed believable? Registers are whole numbers of the meter's least digit. */

export function toRegister(typed, stop) {
  const [whole, fraction = ""] = typed.split(".");
  const decimals = Math.max(0, -stop.scale);
  if (!/^\d+$/.test(whole) || !/^\d*$/.test(fraction) || fraction.length > decimals) return null;
  const digits = `${whole}${fraction.padEnd(decimals, "0")}`;
  if (digits.replace(/^0+/, "").length > stop.digits) return null;
  return Number(digits) / (stop.scale > 0 ? 10 ** stop.scale : 1);
}

export function toText(register, stop) {
  const decimals = Math.max(0, -stop.scale);
  if (!decimals) return String(register * 10 ** Math.max(0, stop.scale));
  const digits = String(register).padStart(decimals + 1, "0");
  const fraction = digits.slice(-decimals).replace(/0+$/, "");
  return digits.slice(0, -decimals) + (fraction ? `.${fraction}` : "");
}

/* A dial that was read without its decimals shows the same number for a while: only a fall of a whole unit is a fall. */
export function doubt(register, stop) {
  if (stop.last_register === null) return null;
  const whole = 10 ** Math.max(0, -stop.scale);
  if (Math.floor(register / whole) < Math.floor(stop.last_register / whole)) return "below_last";
  if (register > stop.expected_high) return "too_high";
  if (register <= stop.last_register && stop.expected_low > stop.last_register) return "stopped";
  if (register < stop.expected_low) return "too_low";
  return null;
}
