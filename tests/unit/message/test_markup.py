import pytest

from message.markup import read_html


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("", ""),
        ("a <b>b</b>c", "a bc"),
        ("<p>one<p>two<br>three", "one\ntwo\nthree"),
        ("<table><tr><td>a</td><td>b</td></tr></table>", "a b"),
        ("a &amp; b &lt;c&gt; &#233;&#xe9;&nbsp;d", "a & b <c> éé d"),
        ("&#99999999999999999999;x", "\ufffdx"),
        ("<title>t</title><style>s { }</style><script>if (a<b) '</p>'</script>x", "x"),
        ("<script>never closed <p>x", ""),
        ("a<!-- <p>b --> c<!--> d<!-- e", "a c d"),
        ("a<![CDATA[b]]>c<?php d ?>e</>f", "acef"),
        ("1 < 2 <3", "1 < 2 <3"),
        ("<p\nclass='a>b'>x", "x"),
        ('<p title="a>b">x', "x"),
        # attributes as browsers read them: nothing is swallowed by a stray quote
        ('<p ">visible<p ">', "visible"),
        ('<p a=b">visible<p ">', "visible"),
        ("<p ='x'>visible", "visible"),
        ("x<a href='", "x"),
        ("</p a='>'>x", "x"),
    ],
)
def test_visible_text(source, text):
    assert read_html(source).text == text


@pytest.mark.parametrize(
    ("source", "text", "hidden"),
    [
        ('a<div style="display:none">secret</div>b', "a\n\nb", 6),
        ("a<span style='DISPLAY : NONE !important'>secret</span>b", "ab", 6),
        ("a<p hidden>se<b>cr</b>et</p>b", "a\nb", 6),
        ('a<span style="font-size:0px">secret</span>b', "ab", 6),
        ('a<span style="font-size:0px"><i style="font-size:12px">seen</i>secret</span>b', "aseenb", 6),
        ('a<span style="font-size:10px">seen</span>b', "aseenb", 0),
        ('a<span style="font:0/0 Arial">secret</span>b', "ab", 6),
        ('a<span style="visibility:hidden">secret</span>b', "ab", 6),
        ('a<span style="opacity:0">secret</span>b', "ab", 6),
        ('a<span style="opacity:0.9">seen</span>b', "aseenb", 0),
        ('<p style="display:none">secret<p>seen', "seen", 6),
        ('<td><div style="display:none">secret</td><td>seen', "seen", 6),
        ("<template>secret</template>seen", "seen", 6),
    ],
)
def test_hidden_text(source, text, hidden):
    page = read_html(source)
    assert (page.text.replace("\n\n", "\n"), page.hidden) == (text.replace("\n\n", "\n"), hidden)


def test_links_images_and_forms():
    page = read_html(
        '<a href=" http://x.example/?a=1&amp;b=2\n">the <b>link</b></a><a name=n>no</a>'
        "<A HREF=y>one<a href='z'>two</a><area href=m><form action=f><img src=i><img>"
    )
    assert page.links == (("http://x.example/?a=1&b=2", "the link"), ("y", "one"), ("z", "two"), ("m", ""))
    assert page.images == ("i", "")
    assert page.forms == 1


def test_the_limit():
    assert read_html("x" * 100, 10).text == "x" * 10
