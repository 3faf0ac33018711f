"""The page of a run as a Jinja template."""

# what every page of a run begins with: style, and the macro of a table
HEAD = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>medkt: {{ title }}</title>
<link rel="icon" href="data:,">
{% if viewer %}<meta http-equiv="Content-Security-Policy" content="{{ csp }}">
{% endif %}<style>
:root { color-scheme: light dark; --line: #8886; --soft: #8882; --quiet: #666; --paper: #fff; }
@media (prefers-color-scheme: dark) { :root { --quiet: #aaa; } }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 76rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; margin-bottom: .2rem; } h2 { font-size: 1.2rem; margin-top: 2.2rem; } h3 { font-size: 1rem; }
a.skip { position: absolute; left: -100rem; } a.skip:focus { position: static; }
nav ul { display: flex; flex-wrap: wrap; gap: .3rem 1.2rem; padding: 0; list-style: none; }
.notice { border: 1px solid var(--line); background: var(--soft); padding: .5rem .8rem; border-radius: .4rem; }
.scroll { overflow-x: auto; margin: 1rem 0; }
.scroll:focus-visible, a:focus-visible, summary:focus-visible { outline: 3px solid #1f5fa8; outline-offset: 2px; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; font-size: .88rem; }
caption { text-align: left; font-weight: 600; padding: .3rem 0; }
th, td { text-align: left; padding: .25rem .6rem; border-bottom: 1px solid var(--line); vertical-align: top; }
thead th { border-bottom: 2px solid var(--line); } tbody th { font-weight: 400; }
figure { margin: 1rem 0; } figure img { max-width: 100%; border-radius: .4rem; }
figure.plot img { background: var(--paper); padding: .4rem; }
p.headline { font-weight: 600; margin: .2rem 0; }
figcaption, .quiet { color: var(--quiet); font-size: .88rem; }
pre { overflow-x: auto; background: var(--soft); padding: .6rem; } td.digest { overflow-wrap: anywhere; }
{% if viewer %}.viewer button { font: inherit; padding: .3rem .8rem; } .viewer-screen { height: 34rem; max-height: 80vh; }
.viewer-screen canvas:focus-visible, .viewer :focus-visible { outline: 3px solid #1f5fa8; outline-offset: 2px; }
.viewer-controls { display: flex; flex-wrap: wrap; gap: .8rem; } .viewer fieldset { border: 1px solid var(--line); border-radius: .4rem; }
.viewer label { display: inline-block; margin-right: .8rem; } .viewer input[type=range] { vertical-align: middle; }
.viewer fieldset > label, .viewer fieldset > button { display: block; }
{% endif %}@media print { nav, a.skip, .viewer { display: none; } }
</style>
</head>
<body>
{% macro show(table) %}
<div class="scroll" role="region" aria-label="{{ table.caption }}" tabindex="0">
<table>
<caption>{{ table.caption }}</caption>
<thead><tr>{% for name in table.head %}<th scope="col">{{ name }}</th>{% endfor %}</tr></thead>
<tbody>
{% for row in table.rows %}<tr>{% for cell in row %}{% if loop.first %}<th scope="row">{{ cell }}</th>{% else %}<td>{{ cell }}</td>{% endif %}{% endfor %}</tr>
{% endfor %}
</tbody>
</table>
</div>
{% if table.left_out %}<p class="quiet">{{ table.left_out }} further rows stand in the run's own tables.</p>{% endif %}
{% endmacro %}
"""

PAGE = (
    HEAD
    + """<a class="skip" href="#content">To the content</a>
<header>
<h1>{{ title }}</h1>
<p class="quiet">medkt {{ version }}</p>
<p class="notice"><strong>{{ notice }}</strong>{% if demonstration %}<br>
<strong>{{ demonstration }}</strong>{% endif %}</p>
<nav aria-label="Sections"><ul>
<li><a href="#summary">Summary</a></li>
{% if plots %}<li><a href="#curves">Presence, volumes, lesions</a></li>{% endif %}
{% if compared.rows %}<li><a href="#compared">Compared</a></li>{% endif %}
{% if beside.rows or stamps %}<li><a href="#published">Published values</a></li>{% endif %}
<li><a href="#cases">Worst and best cases</a></li>
<li><a href="#failures">Failures</a></li>
<li><a href="#settings">Settings and digests</a></li>
</ul></nav>
</header>
<main id="content">

<section aria-labelledby="summary">
<h2 id="summary">Summary</h2>
{% for arm, line in headlines %}<p class="headline">{{ arm }}{{ ": " if arm }}{{ line }}</p>
{% endfor %}{% for table in counts %}{{ show(table) }}{% endfor %}
{% for metric, forest in forests %}
<figure class="plot"><img src="{{ forest.svg }}" alt="{{ forest.alt }}">
<figcaption>{{ metric }} where the reference shows the finding: mean with 95 % interval over patients.
{% if forest.left_out %}{{ forest.left_out }} further rows are in the tables.{% endif %}</figcaption></figure>
{% endfor %}
{% for table in decisions %}{{ show(table) }}{% endfor %}
{% for table in summaries if table.rows %}{{ show(table) }}{% endfor %}
{% if not (summaries | map(attribute="rows") | select | list) %}
<p>No case of this run has a reference, so there are no scores; `medkt evaluate` runs cases that have one.</p>{% endif %}
<ul class="quiet">
<li>“positives” are cases whose reference shows the finding, “negatives” those whose reference is empty; a failed case
stands on both sides, without a number.</li>
{% for arm, said in reasons.items() %}{% for one in said %}<li>{{ arm }}{{ ": " if arm }}{{ one }}</li>{% endfor %}{% endfor %}
</ul>
</section>

{% if plots %}
<section aria-labelledby="curves">
<h2 id="curves">Presence, volumes, lesions</h2>
{% for plot in plots %}
<figure class="plot"><img src="{{ plot.svg }}" alt="{{ plot.alt }}">
<figcaption>{{ plot.caption }}</figcaption></figure>
{% endfor %}
{% for table in curves %}{{ show(table) }}{% endfor %}
</section>
{% endif %}

{% if compared.rows %}
<section aria-labelledby="compared">
<h2 id="compared">Compared</h2>
<p>First: {{ arms[0].name }}. Second: {{ arms[1].name }}. A patient's difference is the mean over the patient's cases; p values
are two-sided, and adjusted after Holm over the concepts of one metric. Choose one test beforehand.</p>
{{ show(compared) }}
</section>
{% endif %}

{% if beside.rows or stamps %}
<section aria-labelledby="published">
<h2 id="published">Published values</h2>
{% if beside.rows %}{{ show(beside) }}{% endif %}
<ul>{% for one in stamps %}<li>{{ one }}</li>{% endfor %}</ul>
</section>
{% endif %}

<section aria-labelledby="cases">
<h2 id="cases">Worst and best cases</h2>
{% if arms | map(attribute="cases") | select | list %}
<p class="quiet">By Dice, where the reference shows the finding. From left to right: the image; where the words point; the outline with
the boxes (blue) that the segmenter was given, and the reference dotted green. Of a volume it is the plane with the highest score.</p>
{% else %}<p>There are none to show.</p>{% endif %}
{% if viewer %}<p class="quiet">Volumes have a viewer. The folder {{ folder }} beside this page holds the
images and goes with it; <noscript>this browser runs no scripts, so the viewer stays closed; </noscript>a browser without WebGL2
shows the pictures alone.</p>{% endif %}
{% for arm in arms %}{% set arm_number = loop.index %}{% for case in arm.cases %}
<figure>
<figcaption><strong>{{ arm.name }}{{ ", " if arm.name }}{{ case.concept }}, {{ case.kind }}</strong>: {{ case.case }}; {{ case.words }}</figcaption>
{% if case.png %}<img src="{{ case.png }}" alt="{{ case.alt }}" loading="lazy">{% else %}<p>The run wrote no picture of it.</p>{% endif %}
</figure>
{% if case.volume %}{% set number = arm_number ~ "-" ~ loop.index %}
<div class="viewer" data-name="{{ arm.name }}{{ ", " if arm.name }}{{ case.concept }}, {{ case.kind }} case {{ case.case }}" data-library="{{ library }}" data-scripts="{{ case.volume.scripts | tojson | forceescape }}" data-facts="{{ case.volume.facts }}">
<button type="button" hidden aria-expanded="false" aria-controls="viewer-{{ number }}" aria-describedby="viewer-words-{{ number }}">Open the volume viewer ({{ "%.1f" | format(case.volume.megabytes) }} MB)</button>
<p class="quiet" id="viewer-words-{{ number }}">{{ case.volume.words }}</p>
<div class="viewer-body" id="viewer-{{ number }}" role="group" aria-label="Volume of {{ arm.name }}{{ ", " if arm.name }}{{ case.concept }}, {{ case.kind }} case {{ case.case }}" hidden></div>
</div>
{% endif %}{% endfor %}{% endfor %}
</section>

<section aria-labelledby="failures">
<h2 id="failures">Failures</h2>
{% for table in failures %}{% if table.rows %}{{ show(table) }}{% else %}<p>{{ table.caption }}: none.</p>{% endif %}{% endfor %}
</section>

<section aria-labelledby="settings">
<h2 id="settings">Settings and digests</h2>
{% for name, facts, text in settings %}
{% if name %}<h3>{{ name }}</h3>{% endif %}
<table><caption>What the numbers depend on</caption><tbody>
{% for what, value in facts %}<tr><th scope="row">{{ what }}</th><td class="digest">{{ value }}</td></tr>{% endfor %}
</tbody></table>
<details><summary>Everything that the run recorded{{ " of " ~ name if name }}</summary><pre tabindex="0">{{ text }}</pre></details>
{% endfor %}
</section>
</main>
{% if viewer %}<script src="{{ viewer }}"></script>
{% endif %}</body>
</html>
"""
)
