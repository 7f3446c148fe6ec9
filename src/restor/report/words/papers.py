"""The papers behind the catalogue: what BibTeX says of them. Plain data, so that reading results needs no torch.

Titles and authors are those of the papers' pages; a title that changed is the latest one. A test compares the names
with the catalogues of algorithms and wrappers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final


@final
@dataclass(frozen=True, slots=True)
class Paper:
    """A preprint."""

    title: str
    authors: tuple[str, ...]
    """In their order; `others` stands for the rest."""


RESTOR_PAPER = "2411.00204"
"""The study that this project follows."""

ALGORITHM_PAPERS = {
    "alphaedit": "2410.02355",
    "altpo": "2409.13474",
    "ceu": "2503.01224",
    "counterfactual_teacher": "2310.02238",
    "delta": "2404.11045",
    "dpo": "2401.06121",
    "fine_tune_truth": RESTOR_PAPER,
    "gradient_ascent": "2310.10683",
    "influence": "2403.10557",
    "kl_divergence": RESTOR_PAPER,
    "memit": "2210.07229",
    "msa": "2506.20941",
    "negmerge": "2410.05583",
    "npo": "2404.05868",
    "pdu": "2506.05314",
    "perta": "2601.22030",
    "random_vector": "2212.04089",
    "retain_only": RESTOR_PAPER,
    "rewind": "2409.09778",
    "rmu": "2403.03218",
    "satimp": "2505.11953",
    "self_rehearsal": "2404.05868",
    "simnpo": "2410.07163",
    "task_vector": "2212.04089",
    "uld": "2406.08607",
    "undial": "2402.10052",
    "undo": "2506.06278",
    "wga": "2502.19301",
}
"""Algorithm of the catalogue -> arXiv id of its paper."""

WRAPPER_PAPERS = {
    "blur": "2506.08164",
    "gru": "2503.09117",
    "lat": "2407.15549",
    "ngdiff": "2410.22086",
    "pcgrad": "2001.06782",
    "sam": "2502.05374",
    "tar": "2408.00761",
}
"""Wrapper of the catalogue -> arXiv id of its paper."""

PAPERS = {
    "2001.06782": Paper(
        "Gradient Surgery for Multi-Task Learning",
        ("Tianhe Yu", "Saurabh Kumar", "Abhishek Gupta", "Sergey Levine", "Karol Hausman", "Chelsea Finn"),
    ),
    "2210.07229": Paper(
        "Mass-Editing Memory in a Transformer",
        ("Kevin Meng", "Arnab Sen Sharma", "Alex Andonian", "Yonatan Belinkov", "David Bau"),
    ),
    "2212.04089": Paper(
        "Editing Models with Task Arithmetic",
        (
            *("Gabriel Ilharco", "Marco Tulio Ribeiro", "Mitchell Wortsman", "Suchin Gururangan", "Ludwig Schmidt"),
            *("Hannaneh Hajishirzi", "Ali Farhadi"),
        ),
    ),
    "2310.02238": Paper(
        "Who's Harry Potter? Approximate Unlearning in LLMs",
        ("Ronen Eldan", "Mark Russinovich"),
    ),
    "2310.10683": Paper("Large Language Model Unlearning", ("Yuanshun Yao", "Xiaojun Xu", "Yang Liu")),
    "2401.06121": Paper(
        "TOFU: A Task of Fictitious Unlearning for LLMs",
        ("Pratyush Maini", "Zhili Feng", "Avi Schwarzschild", "Zachary C. Lipton", "J. Zico Kolter"),
    ),
    "2402.10052": Paper(
        "UNDIAL: Self-Distillation with Adjusted Logits for Robust Unlearning in Large Language Models",
        ("Yijiang River Dong", "Hongzhou Lin", "Mikhail Belkin", "Ramon Huerta", "Ivan Vuli{\\'c}"),
    ),
    "2403.03218": Paper(
        "The WMDP Benchmark: Measuring and Reducing Malicious Use With Unlearning",
        ("Nathaniel Li", "Alexander Pan", "Anjali Gopal", "Summer Yue", "Daniel Berrios", "others"),
    ),
    "2403.10557": Paper(
        "Second-Order Information Matters: Revisiting Machine Unlearning for Large Language Models",
        ("Kang Gu", "Md. Rafi Ur Rashid", "Najrin Sultana", "Shagufta Mehnaz"),
    ),
    "2404.05868": Paper(
        "Negative Preference Optimization: From Catastrophic Collapse to Effective Unlearning",
        ("Ruiqi Zhang", "Licong Lin", "Yu Bai", "Song Mei"),
    ),
    "2404.11045": Paper(
        "Offset Unlearning for Large Language Models",
        (
            *("James Y. Huang", "Wenxuan Zhou", "Fei Wang", "Fred Morstatter", "Sheng Zhang", "Hoifung Poon"),
            "Muhao Chen",
        ),
    ),
    "2406.08607": Paper(
        "Reversing the Forget-Retain Objectives: An Efficient LLM Unlearning Framework from Logit Difference",
        (
            *("Jiabao Ji", "Yujian Liu", "Yang Zhang", "Gaowen Liu", "Ramana Rao Kompella", "Sijia Liu"),
            "Shiyu Chang",
        ),
    ),
    "2407.15549": Paper(
        "Latent Adversarial Training Improves Robustness to Persistent Harmful Behaviors in LLMs",
        (
            *("Abhay Sheshadri", "Aidan Ewart", "Phillip Guo", "Aengus Lynch", "Cindy Wu", "Vivek Hebbar"),
            *("Henry Sleight", "Asa Cooper Stickland", "Ethan Perez", "Dylan Hadfield-Menell", "Stephen Casper"),
        ),
    ),
    "2408.00761": Paper(
        "Tamper-Resistant Safeguards for Open-Weight LLMs",
        (
            *("Rishub Tamirisa", "Bhrugu Bharathi", "Long Phan", "Andy Zhou", "Alice Gatti", "Tarun Suresh"),
            *("Maxwell Lin", "Justin Wang", "Rowan Wang", "Ron Arel", "Andy Zou", "Dawn Song", "Bo Li"),
            *("Dan Hendrycks", "Mantas Mazeika"),
        ),
    ),
    "2409.09778": Paper(
        "Rewind-to-Delete: Certified Machine Unlearning for Nonconvex Functions",
        ("Siqiao Mu", "Diego Klabjan"),
    ),
    "2409.13474": Paper(
        "Alternate Preference Optimization for Unlearning Factual Knowledge in Large Language Models",
        (
            *("Anmol Mekala", "Vineeth Dorna", "Shreya Dubey", "Abhishek Lalwani", "David Koleczek"),
            *("Mukund Rungta", "Sadid Hasan", "Elita Lobo"),
        ),
    ),
    "2410.02355": Paper(
        "AlphaEdit: Null-Space Constrained Knowledge Editing for Language Models",
        (
            *("Junfeng Fang", "Houcheng Jiang", "Kun Wang", "Yunshan Ma", "Jie Shi", "Xiang Wang", "Xiangnan He"),
            "Tat-Seng Chua",
        ),
    ),
    "2410.05583": Paper(
        "NegMerge: Sign-Consensual Weight Merging for Machine Unlearning",
        ("Hyo Seo Kim", "Dongyoon Han", "Junsuk Choe"),
    ),
    "2410.07163": Paper(
        "Simplicity Prevails: Rethinking Negative Preference Optimization for LLM Unlearning",
        (
            *("Chongyu Fan", "Jiancheng Liu", "Licong Lin", "Jinghan Jia", "Ruiqi Zhang", "Song Mei"),
            "Sijia Liu",
        ),
    ),
    "2410.22086": Paper(
        "Unlearning as multi-task optimization: A normalized gradient difference approach with an adaptive learning "
        "rate",
        (
            *("Zhiqi Bu", "Xiaomeng Jin", "Bhanukiran Vinzamuri", "Anil Ramakrishna", "Kai-Wei Chang"),
            *("Volkan Cevher", "Mingyi Hong"),
        ),
    ),
    "2411.00204": Paper(
        "RESTOR: Knowledge Recovery in Machine Unlearning",
        (
            *("Keivan Rezaei", "Khyathi Chandu", "Soheil Feizi", "Yejin Choi", "Faeze Brahman"),
            "Abhilasha Ravichander",
        ),
    ),
    "2502.05374": Paper(
        "Towards LLM Unlearning Resilient to Relearning Attacks: A Sharpness-Aware Minimization Perspective and Beyond",
        ("Chongyu Fan", "Jinghan Jia", "Yihua Zhang", "Anil Ramakrishna", "Mingyi Hong", "Sijia Liu"),
    ),
    "2502.19301": Paper(
        "Rethinking LLM Unlearning Objectives: A Gradient Perspective and Go Beyond",
        ("Qizhou Wang", "Jin Peng Zhou", "Zhanke Zhou", "Saebyeol Shin", "Bo Han", "Kilian Q. Weinberger"),
    ),
    "2503.01224": Paper("CE-U: Cross Entropy Unlearning", ("Bo Yang",)),
    "2503.09117": Paper(
        "GRU: Mitigating the Trade-off between Unlearning and Retention for LLMs",
        ("Yue Wang", "Qizhou Wang", "Feng Liu", "Wei Huang", "Yali Du", "Xiaojiang Du", "Bo Han"),
    ),
    "2505.11953": Paper(
        "Exploring Criteria of Loss Reweighting to Enhance LLM Unlearning",
        ("Puning Yang", "Qizhou Wang", "Zhuo Huang", "Tongliang Liu", "Chengqi Zhang", "Bo Han"),
    ),
    "2506.05314": Paper(
        "Constrained Entropic Unlearning: A Primal-Dual Framework for Large Language Models",
        ("Taha Entesari", "Arman Hatami", "Rinat Khaziev", "Anil Ramakrishna", "Mahyar Fazlyab"),
    ),
    "2506.06278": Paper(
        "Distillation Robustifies Unlearning",
        (
            *("Bruce W. Lee", "Addie Foote", "Alex Infanger", "Leni Shor", "Harish Kamath"),
            *("Jacob Goldman-Wetzler", "Bryce Woodworth", "Alex Cloud", "Alexander Matt Turner"),
        ),
    ),
    "2506.08164": Paper(
        "BLUR: A Bi-Level Optimization Approach for LLM Unlearning",
        (
            *("Hadi Reisizadeh", "Jinghan Jia", "Zhiqi Bu", "Bhanukiran Vinzamuri", "Anil Ramakrishna"),
            *("Kai-Wei Chang", "Volkan Cevher", "Sijia Liu", "Mingyi Hong"),
        ),
    ),
    "2506.20941": Paper(
        "Revisiting the Past: Data Unlearning with Model State History",
        ("Keivan Rezaei", "Mehrdad Saberi", "Abhilasha Ravichander", "Soheil Feizi"),
    ),
    "2601.22030": Paper(
        "Per-parameter Task Arithmetic for Unlearning in Large Language Models",
        (
            *("Chengyi Cai", "Zesheng Ye", "Jiangchao Yao", "Jianzhong Qi", "Bo Han", "Xiaolu Zhang", "Feng Liu"),
            "Jun Zhou",
        ),
    ),
}
"""By arXiv id."""
