"""Names that people and firms of the town may have: kanji, kana, Latin letters."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Name:
    """One way to write a name, how it sounds, and how it is written abroad."""

    written: str
    kana: str
    latin: str


def _names(table: str) -> tuple[Name, ...]:
    return tuple(Name(*line.split()) for line in table.strip().splitlines())


# Variants of one name stand beside each other: who searches for one must find the others.
FAMILY = _names("""
佐藤 サトウ Sato
鈴木 スズキ Suzuki
高橋 タカハシ Takahashi
髙橋 タカハシ Takahashi
田中 タナカ Tanaka
伊藤 イトウ Ito
渡辺 ワタナベ Watanabe
渡邊 ワタナベ Watanabe
渡邉 ワタナベ Watanabe
山本 ヤマモト Yamamoto
中村 ナカムラ Nakamura
小林 コバヤシ Kobayashi
加藤 カトウ Kato
吉田 ヨシダ Yoshida
𠮷田 ヨシダ Yoshida
山田 ヤマダ Yamada
佐々木 ササキ Sasaki
山口 ヤマグチ Yamaguchi
松本 マツモト Matsumoto
井上 イノウエ Inoue
木村 キムラ Kimura
林 ハヤシ Hayashi
斎藤 サイトウ Saito
齋藤 サイトウ Saito
斉藤 サイトウ Saito
清水 シミズ Shimizu
山崎 ヤマザキ Yamazaki
山﨑 ヤマザキ Yamazaki
森 モリ Mori
池田 イケダ Ikeda
橋本 ハシモト Hashimoto
阿部 アベ Abe
石川 イシカワ Ishikawa
前田 マエダ Maeda
藤田 フジタ Fujita
小川 オガワ Ogawa
後藤 ゴトウ Goto
岡田 オカダ Okada
長谷川 ハセガワ Hasegawa
村上 ムラカミ Murakami
近藤 コンドウ Kondo
石井 イシイ Ishii
坂本 サカモト Sakamoto
遠藤 エンドウ Endo
青木 アオキ Aoki
藤井 フジイ Fujii
西村 ニシムラ Nishimura
福田 フクダ Fukuda
太田 オオタ Ota
三浦 ミウラ Miura
岡本 オカモト Okamoto
松田 マツダ Matsuda
中島 ナカジマ Nakajima
中川 ナカガワ Nakagawa
原田 ハラダ Harada
小野 オノ Ono
田村 タムラ Tamura
竹内 タケウチ Takeuchi
金子 カネコ Kaneko
和田 ワダ Wada
中山 ナカヤマ Nakayama
石田 イシダ Ishida
上田 ウエダ Ueda
森田 モリタ Morita
浜田 ハマダ Hamada
濵田 ハマダ Hamada
柴田 シバタ Shibata
酒井 サカイ Sakai
工藤 クドウ Kudo
横山 ヨコヤマ Yokoyama
宮崎 ミヤザキ Miyazaki
宮本 ミヤモト Miyamoto
内田 ウチダ Uchida
高木 タカギ Takagi
安藤 アンドウ Ando
谷口 タニグチ Taniguchi
大野 オオノ Ono
丸山 マルヤマ Maruyama
今井 イマイ Imai
河野 コウノ Kono
王 オウ Wang
金 キム Kim
グエン グエン Nguyen
""")

WOMEN = _names("""
陽子 ヨウコ Yoko
恵子 ケイコ Keiko
和子 カズコ Kazuko
幸子 サチコ Sachiko
由美子 ユミコ Yumiko
美咲 ミサキ Misaki
さくら サクラ Sakura
葵 アオイ Aoi
結衣 ユイ Yui
真由美 マユミ Mayumi
直子 ナオコ Naoko
久美子 クミコ Kumiko
千尋 チヒロ Chihiro
彩 アヤ Aya
明美 アケミ Akemi
節子 セツコ Setsuko
文子 フミコ Fumiko
凛 リン Rin
ひかり ヒカリ Hikari
智子 トモコ Tomoko
""")

MEN = _names("""
太郎 タロウ Taro
健一 ケンイチ Kenichi
大輔 ダイスケ Daisuke
誠 マコト Makoto
隆 タカシ Takashi
浩 ヒロシ Hiroshi
茂 シゲル Shigeru
拓也 タクヤ Takuya
翔太 ショウタ Shota
蓮 レン Ren
湊 ミナト Minato
哲也 テツヤ Tetsuya
修 オサム Osamu
正男 マサオ Masao
和夫 カズオ Kazuo
直樹 ナオキ Naoki
悠斗 ユウト Yuto
亮 リョウ Ryo
勝 マサル Masaru
雄一郎 ユウイチロウ Yuichiro
""")

SHOPS = _names("""
日の出ベーカリー ヒノデベーカリー Hinode-Bakery
スーパーみどり スーパーミドリ Super-Midori
理容あさひ リヨウアサヒ Barber-Asahi
クリーニング白鳥 クリーニングハクチョウ Cleaning-Hakucho
花のいろは ハナノイロハ Hana-no-Iroha
山の手書店 ヤマノテショテン Yamanote-Books
多摩サイクル タマサイクル Tama-Cycle
薬局すこやか ヤッキョクスコヤカ Sukoyaka-Pharmacy
""")

RESTAURANTS = _names("""
そば処むら田 ソバドコロムラタ Soba-Murata
中華来々軒 チュウカライライケン Rairaiken
喫茶こもれび キッサコモレビ Cafe-Komorebi
居酒屋大ちゃん イザカヤダイチャン Izakaya-Daichan
カレーハウス・マサラ カレーハウスマサラ Curry-House-Masala
寿司ふじ スシフジ Sushi-Fuji
""")

OFFICES = _names("""
株式会社日の出製作所 ヒノデセイサクショ Hinode-Works
有限会社三吉野木材 ミヨシノモクザイ Miyoshino-Lumber
秋川会計事務所 アキガワカイケイジムショ Akigawa-Accounting
合同会社ソラデザイン ソラデザイン Sora-Design
日の出小児科医院 ヒノデショウニカイイン Hinode-Children's-Clinic
平井保育園 ヒライホイクエン Hirai-Nursery
""")

MANAGERS = _names("""
株式会社多摩住宅管理 タマジュウタクカンリ Tama-Housing-Management
有限会社ひので不動産 ヒノデフドウサン Hinode-Estates
""")

BUILDINGS = ("コーポ平井", "メゾン日の出", "ハイツさくら", "第一青木荘", "グリーンハイム三吉野", "サンライズ本宿")
