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

  // Names as one types: the list is the browser's own, so arrows and readers know it. Without it, Enter searches.
  document.querySelectorAll("[data-suggest]").forEach(function (el) {
    var list = document.createElement("datalist"), waiting, last = "";
    list.id = el.id + "-names";
    el.parentNode.appendChild(list);
    el.setAttribute("list", list.id);
    el.addEventListener("input", function () {
      clearTimeout(waiting);
      waiting = setTimeout(function () {
        var text = el.value.trim();
        if (text === last || !/^[\w.-]{2,40}$/.test(text)) return;
        last = text;
        var url = el.dataset.suggest;
        fetch(url + (url.indexOf("?") < 0 ? "?" : "&") + "q=" + encodeURIComponent(text)).then(function (answer) {
          return answer.ok ? answer.json() : { packages: [] };
        }).then(function (found) {
          list.replaceChildren.apply(list, found.packages.map(function (name) {
            var option = document.createElement("option");
            option.value = name;
            return option;
          }));
        }, function () { list.replaceChildren(); });
      }, 120);
    });
  });

  // Rows of a list that hold what is typed; the button asks for the whole list.
  document.querySelectorAll("[data-filter]").forEach(function (el) {
    var rows = document.getElementById(el.dataset.filter);
    if (rows) el.addEventListener("input", function () {
      var text = el.value.trim().toLowerCase();
      Array.prototype.forEach.call(rows.rows, function (row) {
        row.hidden = row.cells[0].textContent.toLowerCase().indexOf(text) < 0;
      });
    });
  });

  // "/" puts the cursor in the search box, unless one is typing already.
  document.addEventListener("keydown", function (e) {
    var t = e.target;
    if (e.key !== "/" || e.ctrlKey || e.metaKey || e.altKey) return;
    if (/^(INPUT|TEXTAREA|SELECT)$/.test(t.tagName) || t.isContentEditable) return;
    e.preventDefault();
    document.getElementById("q").select();
  });
})();
