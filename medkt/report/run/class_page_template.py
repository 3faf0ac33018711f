"""The page of a run that classifies, as a Jinja template."""

from medkt.report.run.page_template import HEAD

CLASS_PAGE = (
    HEAD
    + """<a class="skip" href="#content">To the content</a>
<header>
<h1>{{ title }}</h1>
<p class="quiet">medkt {{ version }}</p>
<p class="notice"><strong>{{ notice }}</strong>{% if demonstration %}<br>
<strong>{{ demonstration }}</strong>{% endif %}</p>
<nav aria-label="Sections"><ul>
<li><a href="#summary">Summary</a></li>
<li><a href="#classes">Classes</a></li>
<li><a href="#confusion">Confusion</a></li>
{% if compared.rows %}<li><a href="#compared">Compared</a></li>{% endif %}
{% if beside.rows or stamps %}<li><a href="#published">Published values</a></li>{% endif %}
<li><a href="#failures">Failures</a></li>
<li><a href="#settings">Settings and digests</a></li>
</ul></nav>
</header>
<main id="content">

<section aria-labelledby="summary">
<h2 id="summary">Summary</h2>
{% for arm, line in headlines %}<p class="headline">{{ arm }}{{ ": " if arm }}{{ line }}</p>
{% endfor %}<p>Each image is called by the class whose words fit it best, without any training on labels (zero-shot). Shares compare the
classes with each other; they are no probability of disease.</p>
{% for table in wholes %}{{ show(table) }}{% endfor %}
{% if accuracies %}
<figure class="plot"><img src="{{ accuracies.svg }}" alt="{{ accuracies.alt }}">
<figcaption>{{ accuracies.caption }}</figcaption></figure>
{% else %}<p>No case was classified; see the failures below.</p>{% endif %}
<ul class="quiet">{% for one in definitions %}<li>{{ one }}</li>{% endfor %}
{% for arm, said in notes.items() %}{% for one in said %}<li>{{ arm }}{{ ": " if arm }}{{ one }}</li>{% endfor %}{% endfor %}</ul>
</section>

<section aria-labelledby="classes">
<h2 id="classes">Classes</h2>
{% for table in classes %}{{ show(table) }}{% endfor %}
{{ show(words) }}
</section>

<section aria-labelledby="confusion">
<h2 id="confusion">Confusion</h2>
{% for plot in plots %}
<figure class="plot"><img src="{{ plot.svg }}" alt="{{ plot.alt }}">
<figcaption>{{ plot.caption }}</figcaption></figure>
{% endfor %}
{% for table in confusions %}{{ show(table) }}{% endfor %}
</section>

{% if compared.rows %}
<section aria-labelledby="compared">
<h2 id="compared">Compared</h2>
<p>First: {{ arms[0].name }}. Second: {{ arms[1].name }}. The permutation test flips the signs of whole patients, and is adjusted
after Holm over the classes; McNemar's test stands only where each patient has one image. Both are two-sided: choose one beforehand.</p>
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
</body>
</html>
"""
)
