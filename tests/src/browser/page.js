// The functions with which the stories inspect a page. Each returns values, never elements.
(() => {
  const TARGETS = "a[href], button, input:not([type=hidden]), select, textarea, summary, [tabindex='0']";
  const all = (selector) => [...document.querySelectorAll(selector)].filter((element) => element.checkVisibility());
  const style = (element) => getComputedStyle(element);

  // Returns a number for each element, which stays the same as long as the page is loaded.
  const ids = (window[Symbol.for("stories")] ??= { of: new WeakMap(), next: 1 });
  const id = (element) => {
    if (!ids.of.has(element)) ids.of.set(element, ids.next++);
    return ids.of.get(element);
  };

  // Describes an element in a message, so that a person can find it.
  const words = (element) => {
    const name = element.computedName || element.innerText?.trim().slice(0, 40) || "";
    const mark = element.id ? `#${element.id}` : element.name ? `[name="${element.name}"]` : "";
    return `<${element.localName}${mark}> '${name}'`;
  };

  const roleOf = (element) =>
    element.computedRole || (element.localName === "input" ? element.type : element.localName);
  const named = (role, name) =>
    all("*").filter((element) => roleOf(element) === role && element.computedName === name);

  // Returns the colour that results when the colours are drawn over each other: it draws them and reads the pixel.
  const canvas = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
  const painted = (colours) => {
    canvas.clearRect(0, 0, 1, 1);
    for (const colour of colours) {
      canvas.fillStyle = colour;
      canvas.fillRect(0, 0, 1, 1);
    }
    return [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3);
  };
  const luminance = (rgb) => {
    const [r, g, b] = rgb.map((part) => {
      const share = part / 255;
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ratio = (one, other) => {
    const [low, high] = [luminance(one), luminance(other)].sort((a, b) => a - b);
    return (high + 0.05) / (low + 0.05);
  };
  // Returns the value of a colour in the page, which may be a custom property or a system colour.
  const resolved = (colour) => {
    const probe = document.createElement("span");
    probe.style.color = colour;
    document.body.append(probe);
    const found = style(probe).color;
    probe.remove();
    return found;
  };
  // Returns the colours behind an element, the rearmost first.
  const grounds = (element) => {
    const layers = [];
    for (let at = element; at; at = at.parentElement) layers.unshift(style(at).backgroundColor);
    return [resolved("Canvas"), ...layers];
  };

  return {
    place(role, name) {
      const element = named(role, name)[0];
      if (!element) return null;
      element.scrollIntoView({ block: "center", behavior: "instant" });
      const box = element.getClientRects()[0];
      return [box.x + box.width / 2, box.y + box.height / 2];
    },

    has: (role, name) => named(role, name).length > 0,

    focused() {
      const element = document.activeElement;
      if (!element || element === document.body || element === document.documentElement) return null;
      const { outlineStyle, outlineWidth } = style(element);
      const box = element.getClientRects()[0] ?? new DOMRect();
      const hit = document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2);
      return {
        role: roleOf(element),
        name: element.computedName,
        id: id(element),
        href: element.getAttribute("href") ?? "",
        // In a date field the browser itself shows which part has the focus.
        isOutlined: outlineStyle === "auto" || element.matches("[type=date], [type=time], [type=month]") || (outlineStyle !== "none" && parseFloat(outlineWidth) >= 2),
        isUncovered: hit !== null && (element.contains(hit) || [...(element.labels ?? [])].some((label) => label.contains(hit))),
      };
    },

    // Returns the elements that make the page scroll sideways; an empty list if it does not scroll.
    sideways() {
      const root = document.documentElement;
      if (root.scrollWidth <= root.clientWidth) return [];
      const wide = all("body *").filter((element) => element.getBoundingClientRect().right > root.clientWidth + 0.5);
      const inner = wide.filter((element) => !wide.some((other) => other !== element && element.contains(other)));
      const seen = inner.slice(0, 3).map((element) => `${words(element)} ends at ${Math.round(element.getBoundingClientRect().right)}`);
      return [`${root.scrollWidth} px in ${root.clientWidth}`, ...seen];
    },

    // Returns the elements whose box cuts off their text.
    cutOff() {
      const cut = all("body *").filter((element) => {
        const { overflowX, overflowY, clipPath } = style(element);
        const hides = [overflowX, overflowY].some((value) => value === "hidden" || value === "clip");
        const isControl = element.matches("button, summary");
        // An element of one pixel, or one that is clipped away, is only for screen readers.
        if (!(hides || isControl) || element.clientWidth <= 1 || clipPath !== "none" || !element.innerText?.trim()) return false;
        return element.scrollWidth > element.clientWidth + 1 || element.scrollHeight > element.clientHeight + 1;
      });
      return cut.map(words);
    },

    // Makes text twice as large, as browsers offer it, and returns the factor by which it grew.
    zoomText() {
      const size = () => parseFloat(style(document.querySelector("main p, main label, main td, main") ?? document.body).fontSize);
      document.documentElement.style.fontSize = "";
      const before = size();
      document.documentElement.style.fontSize = "200%";
      return size() / before;
    },

    // Returns the targets that are smaller than `least` pixels in either direction. A link inside a sentence may be smaller (WCAG 2.5.8).
    smallTargets(least) {
      const small = (element) => {
        const boxes = [element, ...(element.labels ?? [])].map((each) => each.getBoundingClientRect());
        return boxes.every((box) => box.width < least || box.height < least);
      };
      const inSentence = (element) =>
        style(element).display === "inline" &&
        element.parentElement.innerText.trim() !== element.innerText.trim();
      const shown = (element) => {
        const box = element.getBoundingClientRect();
        return `${words(element)} ${Math.round(box.width)} x ${Math.round(box.height)}`;
      };
      // A skip link is not visible until it has the focus.
      const inSight = (element) => {
        const box = element.getBoundingClientRect();
        return box.right > 0 && box.bottom > 0 && box.width > 1;
      };
      return all(TARGETS).filter((element) => inSight(element) && small(element) && !inSentence(element)).map(shown);
    },

    // Returns what a printed page must not have: navigation, buttons and filters, closed details, and other colours than black on white.
    unprintable() {
      const visible = all("nav, button, .button, .filters, .alone:not(td .alone), input[type=file], input[type=search], [type=submit]");
      const closed = [...document.querySelectorAll("details > :not(summary)")].filter((element) => !element.checkVisibility());
      const hasText = (element) => [...element.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.data.trim());
      const isBlack = (element) => painted([...grounds(element), style(element).color]).every((part) => part === 0);
      const isWhite = (element) => painted(grounds(element)).every((part) => part === 255);
      const coloured = all("body *").filter((element) => hasText(element) && !(isBlack(element) && isWhite(element)));
      return [["visible", visible], ["closed", closed], ["coloured", coloured]].flatMap(([what, found]) => found.map((element) => `${what}: ${words(element)}`));
    },

    // Returns the contrast of two colours of the page's style sheet.
    contrast: (front, back) => ratio(painted([resolved("Canvas"), resolved(back), resolved(front)]), painted([resolved("Canvas"), resolved(back)])),

    // Returns the fields and buttons for which neither the border nor the surface has enough contrast with the background (WCAG 1.4.11).
    faintEdges() {
      // Controls that the browser draws itself are not checked.
      const controls = all("button, input:not([type=hidden]):not([type=file]), select, textarea");
      const own = controls.filter((element) => style(element).appearance === "none" || !element.matches("[type=checkbox], [type=radio]"));
      // A button that consists only of text looks like a link; axe-core checks the contrast of text.
      const isWords = (element) => {
        const { borderTopColor, borderTopWidth, backgroundColor } = style(element);
        const isClear = (colour) => colour === "rgba(0, 0, 0, 0)";
        return element.localName === "button" && isClear(backgroundColor) && (parseFloat(borderTopWidth) === 0 || isClear(borderTopColor));
      };
      const contrast = (element) => {
        if (isWords(element)) return 21;
        const behind = grounds(element.parentElement);
        const { borderTopColor, borderTopWidth, backgroundColor } = style(element);
        const edge = parseFloat(borderTopWidth) > 0 ? ratio(painted([...behind, borderTopColor]), painted(behind)) : 1;
        return Math.max(edge, ratio(painted([...behind, backgroundColor]), painted(behind)));
      };
      const faint = own.map((element) => [element, contrast(element)]).filter(([, found]) => found < 3);
      return faint.map(([element, found]) => `${words(element)} ${found.toFixed(2)}:1`);
    },
  };
})()
