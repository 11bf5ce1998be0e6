// cachescope: everything here is an extra; each page reads and works without it.
(function () {
  "use strict";
  var say = document.createElement("p");
  say.className = "vh";
  say.setAttribute("role", "status");
  document.body.appendChild(say);

  function button(label, text, after) {
    var b = document.createElement("button");
    b.type = "button";
    b.className = "cp";
    b.title = label;
    b.setAttribute("aria-label", label);
    b.addEventListener("click", function () {
      navigator.clipboard.writeText(text).then(function () {
        b.classList.add("done");
        say.textContent = "Copied";
        setTimeout(function () { b.classList.remove("done"); say.textContent = ""; }, 1500);
      }, function () { say.textContent = "Copying was refused; select the text instead"; });
    });
    after.insertAdjacentElement("afterend", b);
  }

  if (navigator.clipboard) {
    // Hashes: the full text is in the link, only its tail is clipped.
    document.querySelectorAll(".h, .full").forEach(function (el) {
      var hash = "/" + el.textContent.trim().replace(/^\//, "");
      button("Copy " + hash.slice(0, 8) + " in full", hash, el);
    });
    // Command boxes: the prompt is not copied.
    document.querySelectorAll(".cmd pre").forEach(function (el) {
      var lines = el.querySelectorAll(".c"), text = el.textContent;
      if (lines.length) text = Array.from(lines, function (l) { return l.textContent.replace(/^\$ /, ""); }).join("\n");
      button("Copy " + (lines.length ? "commands" : "text"), text.trim() + "\n", el);
    });
  }

  // "/" puts the cursor in the search box, unless one is typing already.
  document.addEventListener("keydown", function (e) {
    var t = e.target;
    if (e.key !== "/" || e.ctrlKey || e.metaKey || e.altKey) return;
    if (/^(INPUT|TEXTAREA|SELECT)$/.test(t.tagName) || t.isContentEditable) return;
    e.preventDefault();
    document.getElementById("q").select();
  });
})();
