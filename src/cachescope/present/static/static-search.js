// Search of a site without a server: what a question needs of the index is loaded when it is asked.
(function () {
  "use strict";
  var root = document.currentScript.dataset.root, held = {}, MOST = 100;

  function load(file) {
    held[file] = held[file] || fetch(root + "search/" + file + ".json").then(function (answer) {
      if (!answer.ok) throw new Error(answer.status + " for " + answer.url);
      return answer.json();
    });
    held[file].catch(function () { delete held[file]; });
    return held[file];
  }

  // Packages whose names hold a text; those that begin so come first.
  function packages(index, text) {
    function late(row) { return row[0].toLowerCase().indexOf(text) > 0 ? 1 : 0; }
    return index.packages.filter(function (row) { return row[0].toLowerCase().indexOf(text) >= 0; })
      .sort(function (a, b) { return late(a) - late(b) || (a[0] < b[0] ? -1 : 1); });
  }

  function hashes(index, start) {
    for (var i = 0; i < index.hashes.length; i += 2) {
      if (index.hashes.substr(i, 2) !== start.slice(0, 2)) continue;
      return load("hashes/" + start.slice(0, 2)).then(function (rows) {
        return rows.filter(function (row) { return row[0].indexOf(start) === 0; });
      });
    }
    return Promise.resolve([]);
  }

  function element(tag, text, looks) {
    var made = document.createElement(tag);
    made.textContent = text;
    if (looks) made.className = looks;
    return made;
  }

  function link(text, file, looks) {
    var made = element("a", text, looks);
    made.href = root + file.split("/").map(encodeURIComponent).join("/");
    return made;
  }

  function packageFile(index, name) {
    var row = index.packages.find(function (one) { return one[0] === name; });
    return row && (row[2] || "package/" + name + ".html");
  }

  function list(heading, rows, item) {
    var part = document.createElement("section"), items = element("ul", "", "plain gap");
    rows.slice(0, MOST).forEach(function (row) { items.append(item(row)); });
    part.append(element("h2", heading), items);
    if (rows.length > MOST) part.append(element("p", "The first " + MOST + " of " + rows.length + "; type more of it.", "s q gap"));
    return part;
  }

  function packageItem(index) {
    return function (row) {
      var item = document.createElement("li");
      item.append(link(row[0], packageFile(index, row[0]), "m"), " ", element("span", row[1] + (row[1] === 1 ? " binary" : " binaries"), "q"));
      return item;
    };
  }

  function hashItem(index) {
    return function (row) {
      var item = document.createElement("li"), file = packageFile(index, row[1]);
      if (index.binaries) file = "spec/" + row[0].slice(0, 2) + "/" + row[0] + ".html";
      item.append(file ? link("/" + row[0], file, "m wrap") : element("span", "/" + row[0], "m wrap"), " ",
        element("span", row[1] + "@" + row[2] + " " + row.slice(3, 6).join(" ") + (row[6] ? "" : ", no binary"), "q wrap"));
      return item;
    };
  }

  function show(question) {
    var told = document.getElementById("told"), found = document.getElementById("found");
    var name = question.replace(/^\//, "").split(/[\s@%+~^=]/)[0].toLowerCase();
    var hash = /^\/?[a-z2-7]{2,32}$/.test(question) && (question[0] === "/" || question.length > 6) ? name : "";
    if (question === "/" || (question[0] === "/" && !hash)) {
      told.textContent = "A hash has characters a-z and 2-7; give two of them at least.";
      return;
    }
    told.textContent = "Searching";
    load("names").then(function (index) {
      return (hash ? hashes(index, hash) : Promise.resolve([])).then(function (specs) {
        var named = question[0] === "/" ? [] : packages(index, name), whole = !named.length && !specs.length;
        told.textContent = whole ? "Nothing here is named like that." :
          [named.length && named.length + (named.length === 1 ? " package" : " packages"), specs.length && specs.length + (specs.length === 1 ? " hash" : " hashes")].filter(Boolean).join(", ");
        if (question[0] !== "/" && name !== question.toLowerCase()) told.textContent += "; only the name was looked for";
        found.replaceChildren();
        if (named.length) found.append(list("Packages", named, packageItem(index)));
        if (specs.length) found.append(list("Hashes that begin so", specs, hashItem(index)));
      });
    }).catch(function (error) { told.textContent = "The index could not be loaded: " + error.message; });
  }

  var field = document.getElementById("q"), names = document.createElement("datalist");
  if (field) {
    names.id = "q-names";
    field.parentNode.append(names);
    field.setAttribute("list", names.id);
    field.addEventListener("input", function () {
      var text = field.value.trim().toLowerCase();
      if (/^[\w.-]{2,40}$/.test(text)) load("names").then(function (index) {
        names.replaceChildren.apply(names, packages(index, text).slice(0, 10).map(function (row) {
          return Object.assign(document.createElement("option"), { value: row[0] });
        }));
      }, function () { names.replaceChildren(); });
    });
    if (document.getElementById("found")) {
      document.getElementById("told").textContent = "";
      field.value = new URLSearchParams(location.search).get("q") || "";
      if (field.value.trim()) show(field.value.trim());
    }
  }
})();
